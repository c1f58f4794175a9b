"""What the wrappers of feedback share."""

from __future__ import annotations

import numpy as np

from qbrix.environments.base import Rounds
from qbrix.types import IntArray

__all__ = ["arrivals_of"]


def arrivals_of(rounds: Rounds) -> IntArray:
    """The arrivals of a block, (B, R, c); one at once where it says nothing about them."""
    if rounds.arrivals is not None:
        return rounds.arrivals
    return np.zeros((*rounds.rewards.shape[:2], 1), dtype=np.int64)
