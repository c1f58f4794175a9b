"""Blocks of rounds of policies with one ridge regression per arm.

Rounds hold the inverses as full matrices with the coefficients as one row more: one product with
the context then gives the expected reward, the width, and the direction in which the chosen arm's
inverse shrinks; one outer product folds the observation into both.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qbrix.policies._counts import pick_into, starts
from qbrix.policies._linear import Moments, Ridge, _pack, _pairs, _unpack
from qbrix.types import Array, IntArray

Score = Callable[[Array, Array], Array]


def play_linear(
    prepared: Ridge,
    state: Moments,
    rewards: Array,
    contexts: Array | None,
    *,
    score: Score,
    rng: np.random.Generator,
) -> tuple[IntArray, Ridge]:
    """Choose the largest score and learn what it pays, round after round.

    Parameters
    ----------
    prepared : Ridge, leading axis R
    state : Moments, leading axis R
        Learns in place.
    rewards : Array, shape (B, R, K)
    contexts : Array, shape (B, R, d)
    score : callable
        From expected rewards and widths, both (R, K), to scores (R, K).

    Returns
    -------
    arms : IntArray, shape (B, R)
    prepared : Ridge
    """
    assert contexts is not None
    size, replications, n_arms = rewards.shape
    dim = contexts.shape[-1]
    lines = _lines(prepared)
    by_arm, by_run = lines.reshape(-1, dim + 1, dim), lines.reshape(replications, -1, dim)
    precision = state.precision.reshape(-1, state.precision.shape[-1], copy=False)
    moment = state.moment.reshape(-1, dim, copy=False)
    pulls = state.pulls.reshape(-1, copy=False)
    offsets = starts((replications,), n_arms)
    chosen = np.empty((size, replications), dtype=np.int64)
    products = np.empty((replications, n_arms, dim + 1))
    along = products.reshape(replications, -1, 1)
    for x, arms, table in zip(contexts, chosen, rewards.reshape(size, -1), strict=True):
        np.matmul(by_run, x[:, :, np.newaxis], along)
        square = np.vecdot(products[..., :dim], x[:, np.newaxis])
        mean = products[..., dim]
        scores = score(mean, np.sqrt(np.maximum(square, 0.0)))
        cells = pick_into(arms, scores, offsets=offsets, rng=rng)
        paid = table[cells]
        own = products.reshape(-1, dim + 1)[cells]
        own[:, dim] -= paid
        steps = own / (1.0 + square.reshape(-1)[cells])[:, np.newaxis]
        by_arm[cells] -= steps[:, :, np.newaxis] * own[:, np.newaxis, :dim]
        precision[cells] += _pairs(x, x)
        moment[cells] += x * paid[:, np.newaxis]
        pulls[cells] += 1.0
    after = Ridge(coefficients=lines[..., dim, :].copy(), inverse=_pack(lines[..., :dim, :]))
    return chosen, after


def _lines(prepared: Ridge) -> Array:
    """Inverses and coefficients below them, (R, K, d + 1, d)."""
    return np.concatenate(
        [
            _unpack(prepared.inverse, prepared.coefficients.shape[-1]),
            prepared.coefficients[..., np.newaxis, :],
        ],
        axis=-2,
    )
