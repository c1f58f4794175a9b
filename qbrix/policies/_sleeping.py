r"""Thompson sampling from Beta posteriors without drawing the arms that cannot win for a while.

A level x a little below the leader's mean is fixed for some rounds. Another arm matters only when
its draw exceeds x, which most arms' draws hardly ever do. Where the density f falls at x with the
rate :math:`\lambda = -(\ln f)'(x) > 0`, log-concavity bounds the tail:

.. math:: f(\theta) \le f(x)\, e^{-\lambda (\theta - x)} \quad (\theta \ge x).

So in each round, independently with probability :math:`f(x) / \lambda`, a point
:math:`x + E / \lambda` with exponential E is proposed and accepted with the ratio of both sides:
that *is* the draw where it exceeds x. The first proposal comes after a geometric number of rounds;
until then the arm sleeps and costs nothing, afterwards it is drawn like the others. In the rare
round in which no draw exceeds x, sleepers are drawn from below x, by rejection. Nothing is
approximate: the law of every choice is that of Thompson sampling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.policies._counts import starts
from qbrix.types import Array, IntArray

_ROUNDS = 48
"""Rounds for which a level is kept."""
_WIDTHS = 3.0
"""Standard deviations of the leader between its mean and the level."""
_RARE = 0.05
"""An arm sleeps if its proposals are no more frequent."""
_NEVER = 1 << 40


@dataclass(slots=True, kw_only=True)
class Watch:
    """Who is drawn when. Cells are flat (replication, arm); scores are odds θ / (1 − θ).

    Attributes
    ----------
    order : IntArray, shape (m,)
        Cells that are drawn at all, in the order in which they wake.
    awake : list of C int
        How many of them are drawn in each round.
    since : IntArray, shape (R K,)
        First round in which a cell is drawn.
    level : Array, shape (R,)
        x, as odds.
    wakers, proposals : IntArray and Array
        Cells in the order of their first proposal, and the proposals; −1 where it was rejected.
    """

    order: IntArray
    awake: list[int]
    since: IntArray
    level: Array
    wakers: IntArray
    proposals: Array

    def surprise(self, number: int, scores: Array) -> None:
        """Write the proposals of a round into flat scores."""
        first = self.awake[0]
        now = slice(self.awake[number] - first, self.awake[number + 1] - first)
        scores[self.wakers[now]] = self.proposals[now]


def watch(a: Array, b: Array, *, rng: np.random.Generator) -> Watch:
    """Decide who sleeps for how long, from shapes (R, K), all at least 1.

    Always for as many rounds as a level is kept, so that the random numbers that are used do not
    depend on how many of them will be played.
    """
    mean = a / (a + b)
    leader = mean.argmax(1)[:, np.newaxis]
    near = np.take_along_axis(mean, leader, axis=1)
    spread = np.sqrt(near * (1.0 - near) / (np.take_along_axis(a + b, leader, axis=1) + 1.0))
    x = np.maximum(near - _WIDTHS * spread, 1e-12)
    rate, proposed = _tail(a, b, x)
    asleep = np.flatnonzero((rate > 0.0) & (proposed <= _RARE))
    chance = np.maximum(proposed.reshape(-1)[asleep], 1e-300)
    steps = np.log1p(-rng.random(asleep.size)) / np.log1p(-chance)
    wait = np.minimum(steps, _NEVER).astype(np.int64)
    since = np.zeros(a.size, dtype=np.int64)
    since[asleep] = wait + 1
    waking = np.flatnonzero(wait < _ROUNDS)
    waking = waking[wait[waking].argsort(kind="stable")]
    wakers = asleep[waking]
    always = np.flatnonzero(since == 0)
    return Watch(
        order=np.concatenate([always, wakers]),
        awake=(always.size + wait[waking].searchsorted(np.arange(_ROUNDS + 1))).tolist(),
        since=since,
        level=(x / (1.0 - x))[:, 0],
        wakers=wakers,
        proposals=_proposals(a, b, x, rate, wakers, rng=rng),
    )


def _tail(a: Array, b: Array, x: Array) -> tuple[Array, Array]:
    """λ, and f(x) / λ where it is positive, (R, K)."""
    from scipy.special import betaln

    rate = (b - 1.0) / (1.0 - x) - (a - 1.0) / x
    log_density = (a - 1.0) * np.log(x) + (b - 1.0) * np.log1p(-x) - betaln(a, b)
    falling = np.where(rate > 0.0, rate, 1.0)
    return rate, np.exp(np.minimum(log_density - np.log(falling), 0.0))


def _proposals(
    a: Array, b: Array, x: Array, rate: Array, cells: IntArray, *, rng: np.random.Generator
) -> Array:
    """What the cells propose above x, as odds; −1 where that is rejected."""
    n_arms = a.shape[1]
    low, fall = x[cells // n_arms, 0], rate.reshape(-1)[cells]
    step = rng.standard_exponential(cells.size) / fall
    point = np.minimum(low + step, 1.0 - 1e-16)
    ratio = (
        (a.reshape(-1)[cells] - 1.0) * np.log(point / low)
        + (b.reshape(-1)[cells] - 1.0) * np.log((1.0 - point) / (1.0 - low))
        + fall * step
    )
    accepted = (low + step < 1.0) & (-rng.standard_exponential(cells.size) <= ratio)
    return np.where(accepted, point / (1.0 - point), -1.0)


def play_beta(shapes: Array, rewards: Array, *, chosen: IntArray, rng: np.random.Generator) -> None:
    """Thompson sampling, round after round.

    Parameters
    ----------
    shapes : Array, shape (2, R, K)
        Of the posteriors, at least 1; follow the rewards.
    rewards : Array, shape (B, R, K)
    chosen : IntArray, shape (B, R)
        Receives the arms.
    """
    first = 0
    while first < len(rewards):
        part = slice(first, first + _ROUNDS)
        first += _watched(shapes, rewards[part], chosen=chosen[part], rng=rng)


def _watched(shapes: Array, rewards: Array, *, chosen: IntArray, rng: np.random.Generator) -> int:
    """As many rounds as one `Watch` holds: until a sleeper was chosen."""
    size: int = rewards.shape[0]
    replications, n_arms = rewards.shape[1:]
    seen = watch(shapes[0], shapes[1], rng=rng)
    flat = shapes.reshape(2, -1)
    a, b = flat
    offsets = starts((replications,), n_arms)
    scores = np.empty((replications, n_arms))
    odds = scores.reshape(-1)
    order, awake, level = seen.order, seen.awake, seen.level
    for i, (arms, table) in enumerate(zip(chosen, rewards.reshape(size, -1), strict=True)):
        drawn = order[: awake[i]]
        above, below = rng.standard_gamma(flat.take(drawn, axis=1))
        odds.fill(-1.0)
        odds[drawn] = above / below
        if awake[i + 1] > awake[i]:
            seen.surprise(i, odds)
        scores.argmax(1, arms)
        cells = arms + offsets
        low = odds[cells] <= level
        trouble = np.count_nonzero(low) > 0
        if trouble:
            _draw_sleepers(shapes, scores, np.flatnonzero(low), seen=seen, number=i, rng=rng)
            scores.argmax(1, arms)
            cells = arms + offsets
        paid = table[cells]
        a[cells] += paid
        b[cells] += 1.0 - paid
        if trouble and bool((seen.since[cells[low]] > i).any()):
            return i + 1
    return size


def _draw_sleepers(
    shapes: Array,
    scores: Array,
    rows: IntArray,
    *,
    seen: Watch,
    number: int,
    rng: np.random.Generator,
) -> None:
    """Draw who sleeps in these rows, given that the draw lies below the level."""
    asleep = seen.since.reshape(scores.shape)[rows] > number
    run, arm = np.nonzero(asleep)
    run = rows[run]
    while run.size:
        above, below = rng.standard_gamma(shapes[:, run, arm])
        drawn = above / below
        scores[run, arm] = drawn
        outside = drawn > seen.level[run]
        run, arm = run[outside], arm[outside]
