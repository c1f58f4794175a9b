"""Rounds of policies with exponential weights."""

from __future__ import annotations

import math

import numpy as np

from qbrix.policies.kernels._compiled import compiled, inlined
from qbrix.policies.kernels.chance import Stream, uniform
from qbrix.types import Array, IntArray

__all__ = ["play_exp3"]

_LARGE = 1e100
"""Where weights are taken relative to the largest again."""


@compiled
def play_exp3(
    total: Array, rewards: Array, streams: Stream, chosen: IntArray, gamma: float
) -> None:
    """Draw in proportion to weights that follow the rounds by one factor each.

    Parameters
    ----------
    total : Array, shape (R, K)
        Sums of rewards over propensities; follow the rounds.
    rewards : Array, shape (B, R, K)
        What each arm would pay.
    streams : Stream, shape (B, 2)
    chosen : IntArray, shape (B, R)
        Receives the arms.
    gamma : float in (0, 1]
    """
    size, replications, n_arms = rewards.shape
    rate = gamma / n_arms
    weights, whole = np.empty((replications, n_arms)), np.empty(replications)
    for r in range(replications):
        whole[r] = _anew(weights, total, r, rate)
    for t in range(size):
        stream = streams[t]
        for r in range(replications):
            u = uniform(stream)
            if u < gamma:
                arm = min(int(u / gamma * n_arms), n_arms - 1)
            else:
                arm = _drawn(weights, r, (u - gamma) / (1.0 - gamma) * whole[r])
            chosen[t, r] = arm
            reward = rewards[t, r, arm]
            if reward == 0.0:
                continue
            gain = reward / ((1.0 - gamma) * weights[r, arm] / whole[r] + rate)
            total[r, arm] += gain
            grown = weights[r, arm] * math.exp(rate * gain)
            whole[r] += grown - weights[r, arm]
            weights[r, arm] = grown
            if whole[r] > _LARGE:
                whole[r] = _anew(weights, total, r, rate)


@compiled
def _anew(weights: Array, total: Array, row: int, rate: float) -> float:
    """Weights of a replication relative to the largest; their sum."""
    top, whole = total[row, 0], 0.0
    for k in range(1, total.shape[1]):
        top = max(top, total[row, k])
    for k in range(total.shape[1]):
        weights[row, k] = math.exp(rate * (total[row, k] - top))
        whole += weights[row, k]
    return whole


@inlined
def _drawn(weights: Array, row: int, point: float) -> int:
    """The arm on whose part of the sum of the weights the point lies."""
    last = weights.shape[1] - 1
    arm = 0
    while arm < last and point >= weights[row, arm]:
        point -= weights[row, arm]
        arm += 1
    return arm
