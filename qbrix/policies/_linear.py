r"""What linear policies with disjoint arms share: ridge regression per arm.

The state holds the sums :math:`\sum x x^\top` (its upper triangle), :math:`\sum r x` and counts: no
prior, no inverse. Sums are exact in their order, merge, and let the prior precision
:math:`\lambda` act at once when it changes.

`Ridge` is what a decision needs: :math:`A^{-1} = (\lambda I + \sum x x^\top)^{-1}`, packed
as the upper triangle with its off-diagonal entries doubled, so that

.. math:: x^\top A^{-1} x = \langle \mathrm{packed}(A^{-1}),\; (x_i x_j)_{i \le j} \rangle

is one product for all arms, and for a whole batch of contexts a matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import cast

import numpy as np

from qbrix.checks import check_context, check_features
from qbrix.policies._counts import starts
from qbrix.policies.base import Policy
from qbrix.state import State, array, arrays_of, zeros
from qbrix.types import Array, IntArray, Interactions

_FEW = 32
"""Contexts whose products are formed one after the other."""
_CACHED = 1 << 16
"""Products that are formed at once: more of them leave the processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments(State):
    """Sums over the observations of each arm; p = d (d + 1) / 2 entries x_i x_j with i <= j."""

    precision: Array = array("K", "p")
    moment: Array = array("K", "d")
    pulls: Array = array("K")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ridge:
    """Coefficients (..., K, d) and the packed inverse (..., K, d (d + 1) / 2) of every arm."""

    coefficients: Array
    inverse: Array


class LinearPolicy(Policy[Moments, Ridge]):
    """Base of policies with one ridge regression per arm; ``prior_precision`` is their field."""

    __slots__ = ()

    prior_precision: float

    state_type = Moments

    def init(self, *, n_arms: int, dim: int = 0) -> Moments:
        """The state before the first interaction; ``dim`` is at least 1."""
        check_features(dim, owner=type(self).__name__)
        return zeros(self.state_type, K=n_arms, d=dim, p=dim * (dim + 1) // 2)

    def prepare(self, state: Moments) -> Ridge:
        """Factorise every arm's matrix once."""
        dim = state.moment.shape[-1]
        matrix = state.precision.take(_square(dim), axis=-1) + self.prior_precision * np.eye(dim)
        inverse = cast(Array, np.linalg.inv(matrix))
        solved = cast(Array, np.linalg.solve(matrix, state.moment[..., None]))
        return Ridge(coefficients=solved[..., 0], inverse=_pack(inverse))

    def advance(self, prepared: Ridge, state: Moments, batch: Interactions) -> Ridge:
        """Follow a few rows by the Sherman–Morrison formula; many are cheaper anew."""
        n_arms, dim = state.moment.shape[-2:]
        if not few_rows(batch, dim):
            return self.prepare(state)
        for index, x, rewards in _rows(batch, n_arms):
            _follow(prepared, index, x, rewards)
        return prepared

    def update_in_place(self, state: Moments, batch: Interactions) -> None:
        """Add x xᵀ, r x and 1, row by row."""
        n_arms, dim = state.moment.shape[-2:]
        precision = state.precision.reshape(-1, state.precision.shape[-1], copy=False)
        moment = state.moment.reshape(-1, dim, copy=False)
        pulls = state.pulls.reshape(-1, copy=False)
        for index, x, rewards in _rows(batch, n_arms):
            precision[index] += _pairs(x, x)
            moment[index] += x * rewards[:, None]
            pulls[index] += 1.0

    def merge(self, a: Moments, b: Moments) -> Moments:
        """Sums add."""
        other = dict(arrays_of(b))
        return type(a)(**{name: value + other[name] for name, value in arrays_of(a)})

    def expected(self, prepared: Ridge, context: Array | None) -> Array:
        """Expected reward xᵀθ of every arm, (..., K)."""
        dim = prepared.coefficients.shape[-1]
        x = check_context(context, dim=dim, owner=type(self).__name__)
        return _products(prepared.coefficients, x)

    def estimate(self, prepared: Ridge, context: Array | None) -> tuple[Array, Array]:
        """Expected reward xᵀθ and its width √(xᵀA⁻¹x) of every arm, both (..., K)."""
        dim = prepared.coefficients.shape[-1]
        x = check_context(context, dim=dim, owner=type(self).__name__)
        mean = _products(prepared.coefficients, x)
        if x.ndim == prepared.inverse.ndim == 2 and len(x) > _FEW:
            square = _squares(prepared.inverse, x)
        else:
            square = _products(prepared.inverse, _pairs(x, x))
        np.maximum(square, 0.0, out=square)
        return mean, np.sqrt(square, out=square)


def estimate_one(prepared: Ridge, context: Array | None) -> tuple[list[float], list[float]] | None:
    """xᵀθ and xᵀA⁻¹x of every arm, for one state; None unless ``context`` is d finite numbers."""
    coefficients = prepared.coefficients
    if context is None or context.shape != coefficients.shape[1:]:
        return None
    means = coefficients.dot(context).tolist()
    if not isfinite(means[0]):  # a number that is not finite spoils the mean of every arm
        return None
    first, second = _triangle(len(context))
    return means, prepared.inverse.dot(context[first] * context[second]).tolist()


def played(
    prepared: Ridge,
    state: Moments,
    rewards: Array,
    contexts: Array | None,
    *,
    width: float,
    thompson: bool,
    rng: np.random.Generator,
) -> IntArray:
    """The arms (B, R) of rounds that choose the largest mean + width · √(xᵀA⁻¹x).

    Thompson sampling draws normal numbers for the roots. ``prepared`` and ``state`` follow.
    """
    from qbrix.policies.kernels.chance import streams
    from qbrix.policies.kernels.linear import play_linear

    assert contexts is not None
    chosen = np.empty(rewards.shape[:2], dtype=np.int64)
    dim, size = contexts.shape[-1], state.precision.shape[-1]
    play_linear(
        prepared.coefficients.reshape(-1, dim, copy=False),
        prepared.inverse.reshape(-1, size, copy=False),
        state.precision.reshape(-1, size, copy=False),
        state.moment.reshape(-1, dim, copy=False),
        state.pulls.reshape(-1, copy=False),
        np.ascontiguousarray(contexts),
        rewards,
        streams(rng, len(rewards)),
        chosen,
        width,
        thompson,
    )
    return chosen


def few_rows(batch: Interactions, dim: int) -> bool:
    """Whether a leading index has so few rows, padding left out, that following them is cheaper."""
    real = np.count_nonzero(batch.arms >= 0)
    return bool(real * batch.arms.shape[-1] <= max(1, dim // 4) * batch.arms.size)


def _rows(batch: Interactions, n_arms: int) -> Iterator[tuple[IntArray, Array, Array]]:
    """Row after row: flat arm, context and reward of every leading index that is not padding.

    No arm comes twice in one step, because leading indices have arms of their own.
    """
    contexts = batch.contexts
    assert contexts is not None
    offsets = starts(batch.arms.shape[:-1], n_arms).reshape(-1)
    for row in range(batch.arms.shape[-1]):
        arms = batch.arms[..., row].reshape(-1)
        x = contexts[..., row, :].reshape(arms.size, -1)
        rewards = batch.rewards[..., row].reshape(-1)
        if arms.item(arms.argmin()) >= 0:
            yield arms + offsets, x, rewards
        else:
            real = arms >= 0
            yield (arms + offsets)[real], x[real], rewards[real]


def _follow(ridge: Ridge, index: IntArray, x: Array, rewards: Array) -> None:
    """Fold one observation per index into the inverses and coefficients, in place."""
    dim = x.shape[-1]
    inverse = ridge.inverse.reshape(-1, ridge.inverse.shape[-1], copy=False)
    coefficients = ridge.coefficients.reshape(-1, dim, copy=False)
    packed = inverse[index]
    doubled = packed.take(_square(dim), axis=-1)
    diagonal = packed.take(_square(dim).diagonal(), axis=-1)
    ahead = ((doubled @ x[..., None])[..., 0] + diagonal * x) / 2.0
    gain = ahead / (1.0 + np.vecdot(ahead, x))[:, None]
    inverse[index] = packed - _pairs(ahead, gain) * _doubling(dim)
    known = coefficients[index]
    coefficients[index] = known + gain * (rewards - np.vecdot(known, x))[:, None]


def _products(arms: Array, x: Array) -> Array:
    """Inner product of every arm's vector (..., K, m) with x (..., m), leading axes broadcast."""
    if arms.ndim == 2:
        return np.asarray(np.dot(arms, x) if x.ndim == 1 else x @ arms.T)
    product: Array = (arms @ x[..., None])[..., 0]
    return product


def _squares(packed: Array, x: Array) -> Array:
    """xᵀA⁻¹x of many contexts (B, d) and every arm's packed inverse, (B, K).

    Contexts lie side by side, so that a product is formed of many of them at once.
    """
    n_arms, size = packed.shape
    dim = x.shape[-1]
    many = max(_FEW, _CACHED // size)
    room, found = np.empty((size, many)), np.empty((len(x), n_arms))
    for first in range(0, len(x), many):
        columns = np.ascontiguousarray(x[first : first + many].T)
        pairs, at = room[:, : columns.shape[1]], 0
        for i in range(dim):
            np.multiply(columns[i], columns[i:], out=pairs[at : at + dim - i])
            at += dim - i
        found[first : first + many] = (packed @ pairs).T
    return found


def _pairs(x: Array, y: Array) -> Array:
    """Products x_i y_j for i <= j, shape (..., d (d + 1) / 2)."""
    first, second = _triangle(x.shape[-1])
    if x.ndim == 1:
        return x[first] * y[second]
    return x.take(first, axis=-1) * y.take(second, axis=-1)


def _pack(matrix: Array) -> Array:
    """Upper triangle of a symmetric matrix (..., d, d), off-diagonal entries doubled."""
    first, second = _triangle(matrix.shape[-1])
    upper, lower = matrix[..., first, second], matrix[..., second, first]
    packed = (upper + lower) / 2.0 * _doubling(matrix.shape[-1])
    return np.ascontiguousarray(packed)  # indices lead in memory otherwise


def _unpack(packed: Array, dim: int) -> Array:
    """The symmetric matrix (..., d, d) that `_pack` packed."""
    square: Array = (packed / _doubling(dim)).take(_square(dim), axis=-1)
    return square


@lru_cache(maxsize=64)
def _triangle(dim: int) -> tuple[IntArray, IntArray]:
    """Row and column of every packed entry."""
    first, second = np.triu_indices(dim)
    return first, second


@lru_cache(maxsize=64)
def _doubling(dim: int) -> Array:
    """1 for packed entries of the diagonal, 2 for the others."""
    first, second = _triangle(dim)
    return np.where(first == second, 1.0, 2.0)


@lru_cache(maxsize=64)
def _square(dim: int) -> IntArray:
    """Packed position of every matrix entry, (d, d)."""
    first, second = _triangle(dim)
    positions = np.empty((dim, dim), dtype=np.int64)
    positions[first, second] = positions[second, first] = np.arange(first.size)
    return positions
