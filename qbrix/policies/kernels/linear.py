"""Rounds of policies with one ridge regression per arm.

Triangles of symmetric matrices lie row by row, the diagonal first, off-diagonal entries doubled
where they are inverses: the width of an arm is then one inner product with the pairs x_i x_j.
"""

from __future__ import annotations

import math

import numpy as np

from qbrix.policies.kernels._compiled import compiled, inlined, summing
from qbrix.policies.kernels.chance import Stream, normal
from qbrix.policies.kernels.choice import largest
from qbrix.types import Array, IntArray

__all__ = ["play_linear"]


@compiled
def play_linear(
    coefficients: Array,
    inverse: Array,
    precision: Array,
    moment: Array,
    pulls: Array,
    contexts: Array,
    rewards: Array,
    streams: Stream,
    chosen: IntArray,
    width: float,
    thompson: bool,
) -> None:
    """Choose the largest expected reward + width · √(xᵀA⁻¹x), times a normal number if Thompson's.

    Parameters
    ----------
    coefficients : Array, shape (R K, d)
        Like all arrays of the replications they follow the rounds.
    inverse, precision : Array, shape (R K, d (d + 1) / 2)
        A⁻¹, doubled, and Σ x xᵀ.
    moment : Array, shape (R K, d)
    pulls : Array, shape (R K,)
    contexts : Array, shape (B, R, d)
    rewards : Array, shape (B, R, K)
        What each arm would pay.
    streams : Stream, shape (B, 2)
    chosen : IntArray, shape (B, R)
        Receives the arms.
    """
    size, replications, n_arms = rewards.shape
    scores, pairs = np.empty((1, n_arms)), np.empty(precision.shape[1])
    x, ahead = np.empty(contexts.shape[2]), np.empty(contexts.shape[2])
    for t in range(size):
        stream = streams[t]
        for r in range(replications):
            for i in range(x.size):
                x[i] = contexts[t, r, i]
            _pair(x, pairs)
            for k in range(n_arms):
                cell = r * n_arms + k
                spread = width * math.sqrt(max(_inner(inverse, cell, pairs), 0.0))
                scale = normal(stream) if thompson else 1.0
                scores[0, k] = _inner(coefficients, cell, x) + spread * scale
            arm = largest(scores, 0, stream)
            chosen[t, r] = arm
            cell, reward = r * n_arms + arm, rewards[t, r, arm]
            pulls[cell] += 1.0
            for i in range(pairs.size):
                precision[cell, i] += pairs[i]
            for i in range(x.size):
                moment[cell, i] += reward * x[i]
            _follow(coefficients, inverse, cell, x, reward, ahead)


@inlined
def _pair(x: Array, out: Array) -> None:
    """Products x_i x_j for i <= j."""
    at = 0
    for i in range(x.size):
        for j in range(x.size - i):
            out[at + j] = x[i] * x[i + j]
        at += x.size - i


@summing
def _inner(rows: Array, row: int, vector: Array) -> float:
    total = 0.0
    for i in range(vector.size):
        total += rows[row, i] * vector[i]
    return total


@summing
def _follow(
    coefficients: Array, inverse: Array, cell: int, x: Array, reward: float, ahead: Array
) -> None:
    """Fold one observation into an arm, by Sherman and Morrison; ``ahead`` is room for A⁻¹ x."""
    dim = x.size
    for i in range(dim):
        ahead[i] = 0.0
    at = 0
    for i in range(dim):
        total = 2.0 * inverse[cell, at] * x[i]
        for j in range(1, dim - i):
            total += inverse[cell, at + j] * x[i + j]
            ahead[i + j] += inverse[cell, at + j] * x[i]
        ahead[i] = 0.5 * (ahead[i] + total)
        at += dim - i
    square, guess = 0.0, 0.0
    for i in range(dim):
        square += ahead[i] * x[i]
        guess += coefficients[cell, i] * x[i]
    scale = 1.0 / (1.0 + square)
    missed = scale * (reward - guess)
    at = 0
    for i in range(dim):
        gain = scale * ahead[i]
        coefficients[cell, i] += missed * ahead[i]
        inverse[cell, at] += gain * ahead[i]
        for j in range(dim - i):
            inverse[cell, at + j] -= 2.0 * gain * ahead[i + j]
        at += dim - i
