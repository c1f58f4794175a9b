r"""A softmax that gives the same bits on every machine, for use in ``update``.

Library exponentials differ in their last bit; sums and products do not. Here
:math:`e^{-x} = e^{-n} e^{-f}` with the whole part n from a table of products and the fraction f in
[0, 1) by its series, 19 terms of which leave an error below 1e-16.
"""

from __future__ import annotations

import numpy as np

from qbrix.types import Array, BoolArray

_INVERSE_E = 0.36787944117144233
_LOWEST = 700
_TERMS = 19


def _table() -> Array:
    powers = [1.0]
    for _ in range(_LOWEST):
        powers.append(powers[-1] * _INVERSE_E)
    return np.array(powers)


_WHOLE = _table()


def decay(x: Array) -> Array:
    """``exp(-x)`` for x ≥ 0 by + − × ÷ alone; relative error below 1e-13, 0 beyond 700."""
    bounded = np.minimum(x, float(_LOWEST))
    whole = bounded.astype(np.int64)
    fraction: Array = bounded - whole
    series: Array = np.ones(fraction.shape)
    for term in range(_TERMS, 0, -1):
        series = 1.0 - series * fraction / term
    return np.where(x > _LOWEST, 0.0, _WHOLE[whole] * series)


def exact_softmax(scores: Array, mask: BoolArray | None = None) -> Array:
    """exp(scores) over its sum, shape (..., K), 0 where masked, the same bits everywhere."""
    top = scores if mask is None else np.where(mask, scores, -np.inf)
    weights = decay(np.maximum(top.max(-1, keepdims=True) - scores, 0.0))
    if mask is not None:
        weights = np.where(mask, weights, 0.0)
    law: Array = weights / weights.sum(-1, keepdims=True)
    return law
