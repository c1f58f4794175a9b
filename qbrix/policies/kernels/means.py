"""Rounds of policies that score arms by their means: ε-greedy, and means with a confidence width.

Scores of unobserved arms are larger than any mean and tie, so that these arms come first, evenly.
"""

from __future__ import annotations

import math

import numpy as np

from qbrix.policies.kernels._compiled import compiled
from qbrix.policies.kernels.chance import Stream, uniform
from qbrix.policies.kernels.choice import largest, unobserved_arms
from qbrix.types import Array, IntArray

__all__ = ["play_epsilon", "play_widths"]


@compiled
def play_epsilon(
    pulls: Array,
    total: Array,
    means: Array,
    rewards: Array,
    streams: Stream,
    chosen: IntArray,
    eps: float,
    gamma: float,
) -> None:
    """Explore evenly with probability ε γ^t once every arm is observed, else take the best mean.

    Parameters
    ----------
    pulls, total : Array, shape (R, K)
        Observations and sums of their rewards; follow the rounds.
    means : Array, shape (R, K)
        Likewise; a large number for an unobserved arm.
    rewards : Array, shape (B, R, K)
        What each arm would pay.
    streams : Stream, shape (B, 2)
    chosen : IntArray, shape (B, R)
        Receives the arms.
    """
    size, replications, n_arms = rewards.shape
    unobserved, count = unobserved_arms(pulls), np.zeros(replications)
    for r in range(replications):
        for k in range(n_arms):
            count[r] += pulls[r, k]
    for t in range(size):
        stream = streams[t]
        for r in range(replications):
            explore = 0.0
            if unobserved[r] == 0:
                explore = eps if gamma == 1.0 else eps * gamma ** count[r]
            u = uniform(stream)
            if u < explore:
                arm = min(int(u / explore * n_arms), n_arms - 1)
            else:
                arm = largest(means, r, stream)
            chosen[t, r] = arm
            unobserved[r] -= pulls[r, arm] == 0.0
            count[r] += 1.0
            pulls[r, arm] += 1.0
            total[r, arm] += rewards[t, r, arm]
            means[r, arm] = total[r, arm] / pulls[r, arm]


@compiled
def play_widths(
    pulls: Array,
    total: Array,
    means: Array,
    roots: Array,
    rewards: Array,
    widths: Array,
    streams: Stream,
    chosen: IntArray,
) -> None:
    """Choose the largest mean + width(t) / √pulls.

    Parameters
    ----------
    pulls, total, means, rewards, streams, chosen
        As in `play_epsilon`.
    roots : Array, shape (R, K)
        One over the root of the observations, 0 for an unobserved arm; follow the rounds.
    widths : Array, shape (B, 1) or (B, R)
    """
    size, replications, n_arms = rewards.shape
    scores = np.empty((1, n_arms))
    even = widths.shape[1] == 1
    for t in range(size):
        stream = streams[t]
        for r in range(replications):
            width = widths[t, 0] if even else widths[t, r]
            for k in range(n_arms):
                scores[0, k] = means[r, k] + width * roots[r, k]
            arm = largest(scores, 0, stream)
            chosen[t, r] = arm
            pulls[r, arm] += 1.0
            total[r, arm] += rewards[t, r, arm]
            means[r, arm] = total[r, arm] / pulls[r, arm]
            roots[r, arm] = 1.0 / math.sqrt(pulls[r, arm])
