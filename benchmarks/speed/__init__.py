"""Simulation speed beside hand-written compiled loops, on one core."""

from __future__ import annotations

import os

# Read by NumPy when it is imported, which happens after this.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
