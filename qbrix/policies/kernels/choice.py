"""The choice of the largest score."""

from __future__ import annotations

import math

import numpy as np

from qbrix.policies._counts import TIE
from qbrix.policies.kernels._compiled import compiled, inlined
from qbrix.policies.kernels.chance import Stream, uniform
from qbrix.types import Array, IntArray

__all__ = ["largest", "unobserved_arms"]


@inlined
def largest(scores: Array, row: int, stream: Stream) -> int:
    """Arm of the largest score of a row; those within 1e-9 max(1, |best|) of it share evenly.

    Parameters
    ----------
    scores : Array, shape (R, K)
    row : int
    stream : Stream
        Read where scores tie, and nowhere else.
    """
    best, second, arm = scores[row, 0], -math.inf, 0
    for k in range(1, scores.shape[1]):
        score = scores[row, k]
        # No branch depends on a score: a processor cannot foresee them.
        ahead = score > best
        second = max(second, best if ahead else score)
        arm = k if ahead else arm
        best = score if ahead else best
    least = best - TIE * max(1.0, abs(best))
    return arm if second < least else _any_of(scores, row, least, stream)


@compiled
def _any_of(scores: Array, row: int, least: float, stream: Stream) -> int:
    """One of the arms that score no less, evenly."""
    arm, several = 0, 0
    for k in range(scores.shape[1]):
        if scores[row, k] >= least:
            several += 1
            if uniform(stream) * several < 1.0:
                arm = k
    return arm


@compiled
def unobserved_arms(pulls: Array) -> IntArray:
    """How many arms of each replication have no observation, (R, K) to (R,)."""
    count = np.zeros(pulls.shape[0], np.int64)
    for r in range(pulls.shape[0]):
        for k in range(pulls.shape[1]):
            count[r] += pulls[r, k] == 0.0
    return count
