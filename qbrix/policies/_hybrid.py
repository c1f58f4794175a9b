"""Ridge regression with shared coefficients and own ones of every arm, the own ones eliminated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from qbrix.policies._linear import _pairs, _rows, _square
from qbrix.state import State, array
from qbrix.types import Array, IntArray, Interactions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HybridMoments(State):
    """Sums of zzᵀ and r z over all observations, of xxᵀ, xzᵀ and r x over those of each arm.

    Symmetric ones are packed: q = k (k + 1) / 2 and s = m (m + 1) / 2 products with i <= j.
    """

    shared_precision: Array = array("q")
    shared_moment: Array = array("k")
    precision: Array = array("K", "s")
    cross: Array = array("K", "m", "k")
    moment: Array = array("K", "m")
    pulls: Array = array("K")


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridRidge:
    """The joint regression, after elimination of each arm's own coefficients.

    Attributes
    ----------
    shared : Array, shape (..., k)
        The shared coefficients β.
    shared_inverse : Array, shape (..., k, k)
        Their covariance.
    own : Array, shape (..., K, m)
        Coefficients of each arm where β is 0.
    own_inverse : Array, shape (..., K, m, m)
        Their covariance where β is known.
    carried : Array, shape (..., K, m, k)
        How they fall as β rises.
    """

    shared: Array
    shared_inverse: Array
    own: Array
    own_inverse: Array
    carried: Array


def learn(state: HybridMoments, batch: Interactions) -> None:
    """Add the products of the chosen arm's features, row by row, in place."""
    n_arms, _, k = state.cross.shape[-3:]
    shared_precision = _flat(state.shared_precision, 1)
    shared_moment, moment = _flat(state.shared_moment, 1), _flat(state.moment, 1)
    precision, cross = _flat(state.precision, 1), _flat(state.cross, 2)
    pulls = state.pulls.reshape(-1, copy=False)
    for index, contexts, rewards in _rows(batch, n_arms):
        row, z, x = _split(index, contexts, n_arms, k)
        shared_precision[row] += _pairs(z, z)
        shared_moment[row] += z * rewards[:, None]
        precision[index] += _pairs(x, x)
        cross[index] += x[:, :, None] * z[:, None, :]
        moment[index] += x * rewards[:, None]
        pulls[index] += 1.0


def solve(state: HybridMoments, prior_precision: float) -> HybridRidge:
    """Factorise every arm's matrix, then what remains for the shared coefficients."""
    m, k = state.cross.shape[-2:]
    arms = state.precision.take(_square(m), axis=-1) + prior_precision * np.eye(m)
    inverse = cast(Array, np.linalg.inv(arms))
    carried = cast(Array, np.linalg.solve(arms, state.cross))
    own = cast(Array, np.linalg.solve(arms, state.moment[..., None]))
    across = state.cross.swapaxes(-1, -2)
    matrix = state.shared_precision.take(_square(k), axis=-1) + prior_precision * np.eye(k)
    matrix -= (across @ carried).sum(-3)
    moment = state.shared_moment[..., None] - (across @ own).sum(-3)
    shared = cast(Array, np.linalg.solve(matrix, moment))
    return HybridRidge(
        shared=shared[..., 0],
        shared_inverse=cast(Array, np.linalg.inv(matrix)),
        own=own[..., 0],
        own_inverse=inverse,
        carried=carried,
    )


def follow(ridge: HybridRidge, index: IntArray, contexts: Array, rewards: Array) -> None:
    r"""Fold one observation per flat arm into the regression, in place.

    Given β an arm learns like a regression of its own. To β the observation says what one of
    features :math:`w = z - B^\top A^{-1} x` would, under a noise of :math:`1 + x^\top A^{-1} x`.
    """
    n_arms, _, k = ridge.carried.shape[-3:]
    row, z, x = _split(index, contexts, n_arms, k)
    shared, own = _flat(ridge.shared, 1), _flat(ridge.own, 1)
    shared_inverse, own_inverse = _flat(ridge.shared_inverse, 2), _flat(ridge.own_inverse, 2)
    carried = _flat(ridge.carried, 2)
    ahead = (own_inverse[index] @ x[..., None])[..., 0]
    noise = 1.0 + np.vecdot(ahead, x)
    w = z - (x[..., None, :] @ carried[index])[..., 0, :]
    missed = rewards - np.vecdot(own[index], x)
    across = (shared_inverse[row] @ w[..., None])[..., 0]
    total = noise + np.vecdot(across, w)
    gain, step = ahead / noise[:, None], across / total[:, None]
    own[index] += gain * missed[:, None]
    own_inverse[index] -= gain[:, :, None] * ahead[:, None, :]
    carried[index] += gain[:, :, None] * w[:, None, :]
    shared[row] += step * (missed - np.vecdot(shared[row], w))[:, None]
    shared_inverse[row] -= step[:, :, None] * across[:, None, :]


def _split(index: IntArray, contexts: Array, n_arms: int, k: int) -> tuple[IntArray, Array, Array]:
    """Row of the leading axes, shared features of the chosen arm, and common features."""
    row, arms = np.divmod(index, n_arms)
    z = contexts[:, : n_arms * k].reshape(len(contexts), n_arms, k)
    return row, z[np.arange(len(z)), arms], contexts[:, n_arms * k :]


def _flat(values: Array, inner: int) -> Array:
    """All axes but the last ``inner`` ones as one, without a copy."""
    return values.reshape(-1, *values.shape[values.ndim - inner :], copy=False)
