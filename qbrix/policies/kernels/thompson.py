r"""Rounds of Thompson sampling from Beta posteriors.

Most arms' draws hardly ever come near the leader's. A level x a little below the leader's mean is
kept for some rounds; an arm matters only when its draw exceeds x. Where its density f falls at x
with the rate :math:`\lambda = -(\ln f)'(x) > 0`, log-concavity bounds the tail:

.. math:: f(\theta) \le f(x)\, e^{-\lambda (\theta - x)} \quad (\theta \ge x).

So with probability :math:`f(x) / \lambda` a point :math:`x + E / \lambda` with exponential E is
proposed and accepted with the ratio of both sides: that *is* the draw where it exceeds x. Arms that
propose rarely sleep: one uniform number tells whether any of them proposes. In a round in which no
draw exceeds x, sleepers are drawn from below x, by rejection. Nothing is approximate: the law of
every choice is that of Thompson sampling.
"""

from __future__ import annotations

import math

import numpy as np

from qbrix.policies.kernels._compiled import compiled
from qbrix.policies.kernels.chance import Stream, exponential, log_odds, odds, uniform
from qbrix.types import Array, IntArray

__all__ = ["play_beta", "play_small_beta"]

_ROUNDS = 64
"""Rounds for which a level is kept."""
_WIDTHS = 2.0
"""Standard deviations of the leader between its mean and the level."""
_RARE = 0.2
"""An arm sleeps if it proposes no more often."""


@compiled
def play_beta(shapes: Array, rewards: Array, streams: Stream, chosen: IntArray) -> None:
    """Draw from every posterior and take the largest, round after round.

    Parameters
    ----------
    shapes : Array, shape (2, R, K)
        Of the posteriors, at least 1; follow the rewards.
    rewards : Array, shape (B, R, K)
        What each arm would pay.
    streams : Stream, shape (B, 2)
    chosen : IntArray, shape (B, R)
        Receives the arms.
    """
    size, replications, n_arms = rewards.shape
    sleep = np.empty((2, replications, n_arms))
    order = np.empty((replications, n_arms), np.int64)
    awake = np.zeros(replications, np.int64)
    x, quiet = np.empty(replications), np.empty(replications)
    for t in range(size):
        stream = streams[t]
        for r in range(replications):
            if t % _ROUNDS == 0:
                x[r] = _level(shapes, r)
                awake[r] = _put_to_sleep(shapes, r, x[r], sleep, order)
                quiet[r] = _quiet(sleep, order, r, awake[r])
            best, place = -1.0, 0
            for i in range(awake[r]):
                arm = order[r, i]
                score = odds(stream, shapes[0, r, arm], shapes[1, r, arm])
                if score > best:
                    best, place = score, i
            u = uniform(stream)
            if u >= quiet[r]:
                score, i = _proposed(shapes, r, x[r], sleep, order, awake[r], u, stream)
                if score > best:
                    best, place = score, i
            if best <= x[r] / (1.0 - x[r]):
                score, i = _drawn_below(shapes, r, x[r], order, awake[r], stream)
                if score > best:
                    best, place = score, i
            arm = order[r, place]
            chosen[t, r] = arm
            shapes[0, r, arm] += rewards[t, r, arm]
            shapes[1, r, arm] += 1.0 - rewards[t, r, arm]
            if place >= awake[r]:
                order[r, place], order[r, awake[r]] = order[r, awake[r]], arm
                awake[r] += 1
                quiet[r] = _quiet(sleep, order, r, awake[r])


@compiled
def play_small_beta(shapes: Array, rewards: Array, streams: Stream, chosen: IntArray) -> None:
    """`play_beta` for shapes that may lie below 1, where densities have no bound."""
    size, replications, n_arms = rewards.shape
    for t in range(size):
        stream = streams[t]
        for r in range(replications):
            best, arm = -math.inf, 0
            for k in range(n_arms):
                score = log_odds(stream, shapes[0, r, k], shapes[1, r, k])
                if score > best:
                    best, arm = score, k
            chosen[t, r] = arm
            shapes[0, r, arm] += rewards[t, r, arm]
            shapes[1, r, arm] += 1.0 - rewards[t, r, arm]


@compiled
def _level(shapes: Array, r: int) -> float:
    """x: so many standard deviations below the largest mean."""
    near, total = 0.0, 1.0
    for k in range(shapes.shape[2]):
        both = shapes[0, r, k] + shapes[1, r, k]
        mean = shapes[0, r, k] / both
        if mean > near:
            near, total = mean, both
    spread = math.sqrt(near * (1.0 - near) / (total + 1.0))
    return max(near - _WIDTHS * spread, 1e-12)


@compiled
def _put_to_sleep(shapes: Array, r: int, x: float, sleep: Array, order: IntArray) -> int:
    """Order the arms, those that stay awake first; how many they are.

    ``sleep`` (2, R, K) receives how often an arm proposes a point, and λ.
    """
    awake, asleep = 0, shapes.shape[2]
    log_x, log_rest = math.log(x), math.log1p(-x)
    for k in range(shapes.shape[2]):
        a, b = shapes[0, r, k], shapes[1, r, k]
        rate, often = (b - 1.0) / (1.0 - x) - (a - 1.0) / x, 1.0
        if rate > 0.0:
            log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
            log_density = (a - 1.0) * log_x + (b - 1.0) * log_rest - log_beta
            often = math.exp(min(log_density - math.log(rate), 0.0))
        sleep[0, r, k], sleep[1, r, k] = often, rate
        if often <= _RARE:
            asleep -= 1
            order[r, asleep] = k
        else:
            order[r, awake] = k
            awake += 1
    return awake


@compiled
def _quiet(sleep: Array, order: IntArray, r: int, awake: int) -> float:
    """Probability that no sleeper proposes."""
    quiet = 1.0
    for i in range(awake, order.shape[1]):
        quiet *= 1.0 - sleep[0, r, order[r, i]]
    return quiet


@compiled
def _proposed(
    shapes: Array,
    r: int,
    x: float,
    sleep: Array,
    order: IntArray,
    awake: int,
    u: float,
    stream: Stream,
) -> tuple[float, int]:
    """Odds and place in the order of the largest draw above x, −1 where all are rejected.

    ``u``, no less than `_quiet`, tells who is the first to propose.
    """
    best, place, quiet, first = -1.0, 0, 1.0, True
    for i in range(awake, order.shape[1]):
        arm = order[r, i]
        often = sleep[0, r, arm]
        quiet *= 1.0 - often
        if u < quiet if first else uniform(stream) >= often:
            continue
        first = False
        step = exponential(stream)
        point = x + step / sleep[1, r, arm]
        if point >= 1.0:
            continue
        ratio = (
            (shapes[0, r, arm] - 1.0) * math.log(point / x)
            + (shapes[1, r, arm] - 1.0) * math.log((1.0 - point) / (1.0 - x))
            + step
        )
        if -exponential(stream) <= ratio and point / (1.0 - point) > best:
            best, place = point / (1.0 - point), i
    return best, place


@compiled
def _drawn_below(
    shapes: Array, r: int, x: float, order: IntArray, awake: int, stream: Stream
) -> tuple[float, int]:
    """Odds and place of the sleepers' largest draw, given that none exceeds x."""
    best, place, most = -1.0, 0, x / (1.0 - x)
    for i in range(awake, order.shape[1]):
        arm = order[r, i]
        score = odds(stream, shapes[0, r, arm], shapes[1, r, arm])
        while score > most:
            score = odds(stream, shapes[0, r, arm], shapes[1, r, arm])
        if score > best:
            best, place = score, i
    return best, place
