"""Forgetting by a factor per observed interaction."""

from __future__ import annotations

import numpy as np

from qbrix.types import Array, Interactions


def discounts(batch: Interactions, gamma: float) -> tuple[Array, Array]:
    """What a batch leaves of the past, and of its own rows.

    Parameters
    ----------
    batch : Interactions
        Rows of shape (..., n). Padding is no interaction and discounts nothing.
    gamma : float in [0, 1]
        What remains of everything learned when one more interaction is learned.

    Returns
    -------
    past : Array, shape (..., 1)
        Factor for the sums from before the batch.
    rows : Array, shape (..., n)
        Weight of each row at the end of the batch; 1 for the last one.
    """
    real = batch.arms >= 0
    powers = np.full(real.shape[-1] + 1, gamma)
    powers[0] = 1.0
    powers = powers.cumprod()
    learned = real.cumsum(-1)
    total = real.sum(-1, keepdims=True)
    return powers[total], powers[total - learned]
