r"""Both inverses of :math:`x - 1 - \ln x`, the divergence of Poisson and exponential laws.

Newton's method for a convex function, from the side of the root from which it does not overshoot.
"""

from __future__ import annotations

import numpy as np

from qbrix.types import Array

_STEPS = 60
_SMALL = 1e-15


def above(level: Array) -> Array:
    """The x ≥ 1 with ``x − 1 − ln x = level`` ≥ 0, of the shape of ``level``."""
    excess = level + np.sqrt(2.0 * level)
    for _ in range(_STEPS):
        error = np.maximum(excess - np.log1p(excess) - level, 0.0)
        step = error * (1.0 + excess) / np.maximum(excess, 1e-300)
        excess = excess - step
        if not (step > _SMALL * (1.0 + excess)).any():
            break
    root: Array = 1.0 + excess
    return root


def decay_below(level: Array) -> Array:
    """The v ≥ 0 with ``x − 1 − ln x = level`` at x = exp(−v), of the shape of ``level``."""
    decay: Array = level + np.sqrt(2.0 * level)
    for _ in range(_STEPS):
        fall = -np.expm1(-decay)
        step = np.maximum(decay - fall - level, 0.0) / np.maximum(fall, 1e-300)
        decay = decay - step
        if not (step > _SMALL * (1.0 + decay)).any():
            break
    return decay
