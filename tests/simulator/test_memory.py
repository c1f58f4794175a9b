"""Memory does not grow with the horizon."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PEAK = """
import resource, sys
import numpy as np
from qbrix.environments import Bernoulli
from qbrix.policies.epsilon import EpsilonPolicy
from qbrix.simulator import simulate

result = simulate(
    EpsilonPolicy(eps=0.1, gamma=1.0),
    Bernoulli(np.arange(1, 11) * 0.05),
    horizon=int(sys.argv[1]),
    replications=1000,
    progress=False,
)
result.summary()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak if sys.platform == "darwin" else 1024 * peak)
"""


def peak_bytes(horizon: int) -> int:
    """Most memory that a race of 1000 replications of 10 arms ever held, summary included."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(horizon)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout)


def test_ten_times_the_rounds_take_no_more_memory_and_both_stay_below_500_megabytes() -> None:
    """Traces are kept at about 100 checkpoints, rounds in blocks: neither knows the horizon.

    8 MB of slack for what the allocator keeps. A million rounds hold what 3000 do.
    """
    short, long = peak_bytes(300), peak_bytes(3000)
    assert long < 500_000_000
    assert long - short < 8_000_000
