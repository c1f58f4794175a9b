"""``python -m benchmarks.fresh``: the README's commands in a fresh clone, empty environment.

Measures the first and the second run of ``make demo`` and ``make test`` and writes the times down.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import markdown_table, write_section

ROOT = Path(__file__).parent.parent


def main() -> int:
    rows: list[list[str]] = []
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        clone, home = Path(directory) / "clone", Path(directory) / "home"
        home.mkdir()
        Path(directory).chmod(0o755)  # some tests run the clone's programs as another user
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        empty = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        for target, run in (("demo", "first"), ("demo", "second"), ("test", "first")):
            started = time.perf_counter()
            done = subprocess.run(["make", target], cwd=clone, env=empty, check=False)
            seconds = time.perf_counter() - started
            failed += done.returncode != 0
            outcome = "passed" if done.returncode == 0 else f"exit {done.returncode}"
            rows.append([f"make {target}, {run} run", f"{seconds:.0f} s", outcome])
    write_section(
        "fresh",
        title="A fresh clone with an empty environment",
        command="python -m benchmarks.fresh",
        body=markdown_table(["command", "time", "outcome"], rows),
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
