"""``make bench``: every benchmark, one after the other; the tables land in RESULTS.md."""

from __future__ import annotations

import subprocess
import sys

ROOMS = ("benchmarks.regret", "benchmarks.speed", "benchmarks.memory", "benchmarks.serving")

for room in ROOMS:
    print(f"── {room}", flush=True)
    subprocess.run([sys.executable, "-m", room], check=True)
