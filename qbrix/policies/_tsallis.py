r"""The law of follow-the-regularised-leader under Tsallis entropy of power 1/2.

.. math::

    p_a = \frac{4}{\eta^2 (L_a - x)^2} = \frac{1}{(y + d_a)^2}, \qquad
    d_a = \frac{\eta}{2} \bigl( L_a - \min_b L_b \bigr), \qquad \sum_a p_a = 1

The normaliser y lies in [1, √K]. :math:`S^{-1/2}`, with S the sum, is concave and increasing in y,
and a straight line when all arms are alike; so Newton's method for :math:`S^{-1/2} = 1` rises from
y = 1 without ever overshooting. Only + − × ÷ and √ are used, in a fixed number of steps, so
``update`` may call it and one replication does not feel its neighbours.
"""

from __future__ import annotations

import numpy as np

from qbrix.policies._counts import allowed
from qbrix.types import Array, BoolArray

_FEW = 10
"""Up to so many arms, Newton's fourth step leaves 1e-7 and the fifth one rounding."""


def tsallis_law(losses: Array, rate: Array, mask: BoolArray | None = None) -> Array:
    """Probability of every arm.

    Parameters
    ----------
    losses : Array, shape (..., K)
        Estimated total losses.
    rate : Array, shape (..., 1)
        The learning rate η > 0.
    mask : BoolArray, broadcastable to (..., K), optional

    Returns
    -------
    Array, shape (..., K)
    """
    kept = -allowed(-losses, mask)
    behind = kept - np.minimum.reduce(kept, axis=-1, keepdims=True)
    behind *= 0.5 * rate
    y = np.ones((*behind.shape[:-1], 1))
    for _ in range(5 if behind.shape[-1] <= _FEW else 7):
        root = 1.0 / (y + behind)
        squares = root * root
        total = np.add.reduce(squares, axis=-1, keepdims=True)
        squares *= root
        y += (total * np.sqrt(total) - total) / np.add.reduce(squares, axis=-1, keepdims=True)
    law = y + behind
    law *= law
    np.divide(1.0, law, out=law)
    law /= np.add.reduce(law, axis=-1, keepdims=True)
    return law
