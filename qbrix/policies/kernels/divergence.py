"""Rounds of KL-UCB for rewards in [0, 1].

Of all roots only those are solved that could be the largest: the last choice's first, then those of
the arms that its index does not rule out. Newton's method goes on where it stopped rounds ago.
"""

from __future__ import annotations

import math

import numpy as np

from qbrix.policies._counts import TIE
from qbrix.policies._kl import EDGE
from qbrix.policies.kernels._compiled import compiled, inlined
from qbrix.policies.kernels.chance import Stream
from qbrix.policies.kernels.choice import largest, unobserved_arms
from qbrix.types import Array, IntArray

__all__ = ["play_divergence"]


@compiled
def play_divergence(
    pulls: Array,
    total: Array,
    p: Array,
    negentropy: Array,
    u: Array,
    rewards: Array,
    levels: Array,
    streams: Stream,
    chosen: IntArray,
    tolerance: float,
    max_iterations: int,
) -> None:
    """Choose the largest q with pulls · kl(mean, q) <= level(t).

    Parameters
    ----------
    pulls, total : Array, shape (R, K)
        Observations and sums of their rewards; follow the rounds.
    p, negentropy, u : Array, shape (R, K)
        Of the roots, as `qbrix.policies._kl.Roots` has them; follow the rounds.
    rewards : Array, shape (B, R, K)
        What each arm would pay.
    levels : Array, shape (B + 1, 1) or (B + 1, R)
        Of the rounds and of the one after them.
    streams : Stream, shape (B, 2)
    chosen : IntArray, shape (B, R)
        Receives the arms.
    """
    size, replications, n_arms = rewards.shape
    even = levels.shape[1] == 1
    unobserved = unobserved_arms(pulls)
    scores, last = np.empty((1, n_arms)), np.zeros(replications, np.int64)
    for t in range(size):
        stream = streams[t]
        for r in range(replications):
            level = levels[t, 0] if even else levels[t, r]
            if unobserved[r]:
                for k in range(n_arms):
                    scores[0, k] = 1.0 if pulls[r, k] == 0.0 else 0.0
            else:
                for k in range(n_arms):
                    scores[0, k] = level / pulls[r, k]
                _index(scores[0], p[r], negentropy[r], u[r], last[r], tolerance, max_iterations)
            arm = largest(scores, 0, stream)
            unobserved[r] -= pulls[r, arm] == 0.0
            chosen[t, r] = last[r] = arm
            pulls[r, arm] += 1.0
            total[r, arm] += rewards[t, r, arm]
            later = levels[t + 1, 0] if even else levels[t + 1, r]
            mean = total[r, arm] / pulls[r, arm]
            p[r, arm], negentropy[r, arm], u[r, arm] = _near(mean, later / pulls[r, arm])


@compiled
def _index(
    scores: Array,
    p: Array,
    negentropy: Array,
    u: Array,
    leader: int,
    tolerance: float,
    max_iterations: int,
) -> None:
    """Indices in the place of levels, or 0 where an arm cannot have the largest; all (K,)."""
    level = scores[leader]
    u[leader] = _solved(p[leader], negentropy[leader], u[leader], level, tolerance, max_iterations)
    scores[leader] = best = 1.0 - math.exp(-u[leader])
    near, log_near, log_rest = _below(best)
    for k in range(p.size):
        if k == leader:
            continue
        level, own = scores[k], p[k]
        if own < near and negentropy[k] - own * log_near - (1.0 - own) * log_rest > level:
            scores[k] = 0.0
            continue
        u[k] = _solved(own, negentropy[k], u[k], level, tolerance, max_iterations)
        scores[k] = 1.0 - math.exp(-u[k])
        if scores[k] > best:
            best = scores[k]
            near, log_near, log_rest = _below(best)


@inlined
def _below(best: float) -> tuple[float, float, float]:
    """An index that ties no longer, and the logarithms of it and of what it lacks to 1."""
    near = max(best - 2.0 * TIE, EDGE)
    return near, math.log(near), math.log(1.0 - near)


@inlined
def _solved(
    p: float, negentropy: float, u: float, level: float, tolerance: float, max_iterations: int
) -> float:
    """The root for this level, by Newton's method from ``u``."""
    for _ in range(max_iterations):
        q = 1.0 - math.exp(-u)
        excess = (1.0 - p) * u - p * math.log(q) + (negentropy - level)
        step = excess * q / (q - p)
        u -= step
        if abs(step) <= tolerance * u:
            break
    return u


@inlined
def _near(mean: float, level: float) -> tuple[float, float, float]:
    """p, its negentropy and a start for the root, as `qbrix.policies._kl.near_roots` has them."""
    p = min(max(mean, EDGE), 1.0 - EDGE)
    rest = 1.0 - p
    log_rest, ratio = math.log(rest), level / rest
    start = math.sqrt(2.0 * p * ratio) + (1.0 + rest) * ratio / 3.0 - log_rest
    return p, p * math.log(p) + rest * log_rest, start
