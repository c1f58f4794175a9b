"""The loops of `benchmarks.speed.loops` for linear policies: one compiled function each."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.speed.compiled import compiled, inlined, summing
from qbrix.policies.kernels.chance import Stream, normal
from qbrix.types import Array, IntArray

__all__ = ["lin_ucb_many", "lin_ucb_once", "linear"]


@summing
def _inner(matrix: Array, row: int, vector: Array) -> float:
    total = 0.0
    for i in range(vector.size):
        total += matrix[row, i] * vector[i]
    return total


@summing
def _pairs(x: Array, out: Array) -> None:
    """Products x_i x_j for i <= j."""
    at = 0
    for i in range(x.size):
        for j in range(i, x.size):
            out[at] = x[i] * x[j]
            at += 1


@summing
def _times(inverse: Array, arm: int, x: Array, out: Array) -> float:
    """The product of one arm's inverse with x, and its inner product with x."""
    square = 0.0
    for i in range(x.size):
        total = 0.0
        for j in range(x.size):
            total += inverse[arm, i, j] * x[j]
        out[i] = total
        square += total * x[i]
    return square


@summing
def _sherman_morrison(inverse: Array, packed: Array, arm: int, ahead: Array, scale: float) -> None:
    """Subtract scale · ahead aheadᵀ from both forms of one arm's inverse."""
    at = 0
    for i in range(ahead.size):
        gain = ahead[i] * scale
        for j in range(ahead.size):
            inverse[arm, i, j] -= gain * ahead[j]
        packed[arm, at] += gain * ahead[i]
        for j in range(i, ahead.size):
            packed[arm, at] -= 2.0 * gain * ahead[j]
            at += 1


@summing
def linear(
    theta: Array,
    horizon: int,
    replications: int,
    state: Stream,
    noise: float,
    width: float,
    thompson: bool,
) -> Array:
    """LinUCB, or LinTS in reward space, with ridge regressions (λ = 1).

    Inverses follow by Sherman–Morrison. The width of an arm is the inner product of its packed
    triangle (off-diagonals doubled) with the pairs x_i x_j, half as long as a quadratic form.
    Scores of continuous contexts do not tie after the first rounds.
    """
    n_arms, dim = theta.shape
    size = dim * (dim + 1) // 2
    regret = np.zeros(replications)
    inverse, packed = np.empty((n_arms, dim, dim)), np.empty((n_arms, size))
    known, diagonal = np.empty((n_arms, dim)), np.cumsum(np.arange(dim + 1, 1, -1)) - dim - 1
    x, ahead, pairs = np.empty(dim), np.empty(dim), np.empty(size)
    for r in range(replications):
        known[:], inverse[:], packed[:] = 0.0, 0.0, 0.0
        for k in range(n_arms):
            for i in range(dim):
                inverse[k, i, i] = 1.0
                packed[k, diagonal[i]] = 1.0
        lost = 0.0
        for _ in range(horizon):
            for i in range(dim):
                x[i] = normal(state)
            _pairs(x, pairs)
            best, arm, guess, mean, top = -math.inf, 0, 0.0, 0.0, -math.inf
            for k in range(n_arms):
                expected = _inner(known, k, x)
                spread = width * math.sqrt(max(_inner(packed, k, pairs), 0.0))
                score = expected + spread * (normal(state) if thompson else 1.0)
                truth = _inner(theta, k, x)
                top = max(top, truth)
                if score > best:
                    best, arm, guess, mean = score, k, expected, truth
            error = mean + noise * normal(state) - guess
            scale = 1.0 / (1.0 + _times(inverse, arm, x, ahead))
            for i in range(dim):
                known[arm, i] += error * scale * ahead[i]
            _sherman_morrison(inverse, packed, arm, ahead, scale)
            lost += top - mean
        regret[r] = lost
    return regret


@inlined
def _best_index(known: Array, packed: Array, x: Array, pairs: Array, width: float) -> int:
    _pairs(x, pairs)
    best, arm = -math.inf, 0
    for k in range(known.shape[0]):
        square = max(_inner(packed, k, pairs), 0.0)
        score = _inner(known, k, x) + width * math.sqrt(square)
        if score > best:
            best, arm = score, k
    return arm


@compiled
def lin_ucb_once(known: Array, packed: Array, x: Array, width: float) -> int:
    """One LinUCB decision from coefficients and packed inverses."""
    return _best_index(known, packed, x, np.empty(packed.shape[1]), width)


@compiled
def lin_ucb_many(known: Array, packed: Array, contexts: Array, width: float) -> IntArray:
    """LinUCB decisions of one state for many contexts."""
    arms = np.empty(len(contexts), np.int64)
    pairs = np.empty(packed.shape[1])
    for i in range(len(contexts)):
        arms[i] = _best_index(known, packed, contexts[i], pairs, width)
    return arms
