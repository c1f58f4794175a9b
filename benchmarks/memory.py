"""``python -m benchmarks.memory``: peak memory of a race of a million rounds.

T = 10⁶, R = 1000, K = 10: a thousand million decisions, in a process of its own. It takes minutes;
``--rounds`` makes it shorter, and no smaller.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.results import markdown_table, write_section
from qbrix.environments import Bernoulli
from qbrix.policies import EpsilonPolicy
from qbrix.simulator import simulate

MOST_BYTES = 500_000_000


def race(rounds: int) -> None:
    """Play and print the peak in bytes and the seconds that it took."""
    begin = perf_counter()
    result = simulate(
        EpsilonPolicy(eps=0.1, gamma=1.0),
        Bernoulli(0.05 * np.arange(1.0, 11.0)),
        horizon=rounds,
        replications=1000,
        progress=False,
    )
    result.summary()
    print(peak_bytes(), perf_counter() - begin)


def peak_bytes() -> int:
    """Most memory that this program ever held; what its parent held before does not count."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measured(rounds: int) -> tuple[int, float]:
    """Peak and seconds of a process that does nothing else."""
    command = [sys.executable, "-m", "benchmarks.memory", "--here", "--rounds", str(rounds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    peak, seconds = done.stdout.split()
    return int(peak), float(seconds)


def main() -> int:
    """Measure a hundredth and the whole, print, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1_000_000)
    parser.add_argument("--here", action="store_true", help="play in this process and print")
    parser.add_argument("--dry", action="store_true", help="leave RESULTS.md as it is")
    options = parser.parse_args()
    if options.here:
        race(options.rounds)
        return 0
    found = {rounds: measured(rounds) for rounds in (max(1, options.rounds // 100), options.rounds)}
    rows = [
        [f"{rounds:,}", f"{peak / 1e6:.0f} MB", f"{seconds:.0f} s"]
        for rounds, (peak, seconds) in found.items()
    ]
    body = (
        f"{markdown_table(['rounds', 'peak memory', 'time'], rows)}\n\n"
        "ε-greedy, K = 10, R = 1000, summary included, in a process of its own. Bar: 500 MB."
    )
    print(body)
    if not options.dry:
        write_section(
            "memory", title="Memory of a race", command="python -m benchmarks.memory", body=body
        )
    return 0 if max(peak for peak, _ in found.values()) < MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
