"""Exploration by turns, which keeps change detectors supplied with observations of every arm."""

from __future__ import annotations

import numpy as np

from qbrix.policies._counts import UNOBSERVED
from qbrix.types import Array


def by_turns(index: Array, *, elapsed: Array, alpha: float) -> Array:
    """Indices in which the arm whose turn it is comes before all others.

    Of every ⌊K/α⌋ rounds the first K belong to one arm each, in order.

    Parameters
    ----------
    index : Array, shape (..., K)
    elapsed : Array, shape (..., 1)
        Rounds since the last restart.
    alpha : float in (0, 1]
        Share of rounds that are given to turns.

    Returns
    -------
    Array, shape (..., K)
        Where the arm of the turn is masked, the others keep their order.
    """
    n_arms = index.shape[-1]
    turn = elapsed % np.floor(n_arms / alpha + 1e-9)
    others = np.where(turn < n_arms, np.minimum(index, UNOBSERVED / 4.0), index)
    return np.where(np.arange(n_arms) == turn, UNOBSERVED, others)
