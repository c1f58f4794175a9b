"""BESA: duels between arms on equally many of their observations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

import numpy as np

from qbrix.policies._binomial import hypergeometric
from qbrix.policies._counts import Rewards
from qbrix.policies._index import SumPolicy
from qbrix.policies._points import points
from qbrix.policies.base import Capabilities
from qbrix.types import Array, BoolArray, IntArray

__all__ = ["BESAPolicy"]

_ENUMERATED = 5
"""Up to so many arms every seeding of the tournament is counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BESAPolicy(SumPolicy[Rewards, Rewards]):
    r"""Choose the winner of a tournament whose duels give no arm the advantage of more data.

    .. math::

        a \text{ beats } b \iff \hat\mu_a(I) > \hat\mu_b(J), \qquad
        |I| = |J| = \min\{N_a, N_b\}

    I and J are drawn without replacement from the arms' observations. A tie goes to the arm that
    was observed less, or to either. For rewards of 0 and 1 the drawn sums are hypergeometric, so
    the probability of every duel, and of every tournament, is a finite sum. Seedings are random:
    all of them for up to five allowed arms, 1024 fixed ones for more.

    Examples
    --------
    >>> policy = BESAPolicy()
    >>> state = Rewards(pulls=np.array([4.0, 1.0]), total_reward=np.array([2.0, 1.0]))
    >>> policy.propensities(state)
    array([0., 1.])

    Notes
    -----
    Regret is logarithmic for two arms when the law of the better one is not too often below the
    other's, and not guaranteed in general. *Applies when* rewards of an arm are independent, 0 or
    1, with a fixed mean; there is nothing to tune. An unobserved arm wins every duel with an
    observed one. Late in the game it nearly repeats one arm, so batches cost it what they cost UCB.

    References
    ----------
    Baransi, Maillard and Mannor (2014), *Sub-sampling for Multi-armed Bandits*, Algorithms 1 and 2
    and Theorem 1.
    """

    state_type = Rewards
    capabilities = Capabilities(
        reward="binary",
        order_free=True,
        propensity="points",
        propensities_cost="K^2 M",
        max_arms=150,
    )

    def propensities(
        self, prepared: Rewards, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        shape = prepared.pulls.shape
        able = np.broadcast_to(True if mask is None else mask, shape).reshape(-1, shape[-1])
        pulls, total = prepared.pulls.reshape(able.shape), prepared.total_reward.reshape(able.shape)
        law = np.zeros(able.shape)
        for row, arms in enumerate(able):
            law[row, arms] = _tournaments(_duels(pulls[row, arms], total[row, arms]))
        return law.reshape(shape)

    def sample(
        self,
        prepared: Rewards,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The winner of one tournament per leading index."""
        shape = prepared.pulls.shape
        able = np.broadcast_to(True if mask is None else mask, shape).reshape(-1, shape[-1])
        pulls, total = prepared.pulls.reshape(able.shape), prepared.total_reward.reshape(able.shape)
        arms = np.empty(len(able), dtype=np.int64)
        patterns, which = np.unique(able, axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            rows, allowed = np.flatnonzero(which.reshape(-1) == number), np.flatnonzero(pattern)
            seeds = seedings(allowed.size)
            field = allowed[seeds[rng.integers(len(seeds), size=rows.size)]]
            arms[rows] = _play(pulls[rows], total[rows], field, rng=rng)
        return arms.reshape(shape[:-1])


@lru_cache(maxsize=64)
def seedings(n_arms: int) -> IntArray:
    """Orders in which arms enter the tournament, shape (count, n_arms), read-only."""
    if n_arms <= _ENUMERATED:
        orders = np.array(list(permutations(range(n_arms))), dtype=np.int64)
    else:
        orders = points(n_arms).argsort(axis=-1)
    orders.flags.writeable = False
    return orders


def _duels(pulls: Array, total: Array) -> Array:
    """Probability that the row's arm beats the column's, shape (K, K)."""
    size = len(pulls)
    wins = np.full((size, size), 0.5)
    for a in range(size):
        for b in range(a + 1, size):
            less, more = (a, b) if pulls[a] <= pulls[b] else (b, a)
            sums, law = hypergeometric(total[more], pulls[more] - total[more], pulls[less])
            even = 0.5 if pulls[a] == pulls[b] else 1.0
            below, equal = law[sums < total[less]].sum(), law[sums == total[less]].sum()
            wins[less, more] = below + even * equal
            wins[more, less] = 1.0 - wins[less, more]
    return wins


def _tournaments(wins: Array) -> Array:
    """Probability of winning, averaged over the seedings, shape (K,)."""
    orders = seedings(len(wins))
    law = np.zeros(len(wins))
    np.add.at(law, orders, _bracket(wins, orders))
    law /= law.sum()
    return law


def _bracket(wins: Array, field: IntArray) -> Array:
    """Probability that each entrant of each seeding wins it, shape (count, entrants)."""
    entrants = field.shape[-1]
    if entrants == 1:
        return np.ones(field.shape)
    half = entrants // 2
    left, right = field[:, :half], field[:, half:]
    p_left, p_right = _bracket(wins, left), _bracket(wins, right)
    meet = wins[left[:, :, None], right[:, None, :]] * p_left[:, :, None] * p_right[:, None, :]
    lost = p_left[:, :, None] * p_right[:, None, :] - meet
    return np.concatenate([meet.sum(2), lost.sum(1)], axis=-1)


def _play(pulls: Array, total: Array, field: IntArray, *, rng: np.random.Generator) -> IntArray:
    """The winner of one tournament per row."""
    entrants = field.shape[-1]
    if entrants == 1:
        return field[:, 0]
    half = entrants // 2
    left = _play(pulls, total, field[:, :half], rng=rng)
    right = _play(pulls, total, field[:, half:], rng=rng)
    rows = np.arange(len(field))
    fewer = pulls[rows, left] <= pulls[rows, right]
    less, more = np.where(fewer, left, right), np.where(fewer, right, left)
    marked = total[rows, more].astype(np.int64)
    seen = pulls[rows, more].astype(np.int64)
    drawn = rng.hypergeometric(marked, seen - marked, pulls[rows, less].astype(np.int64))
    ahead = total[rows, less] - drawn
    level = pulls[rows, less] == pulls[rows, more]
    wins = (ahead > 0) | ((ahead == 0) & (~level | (rng.random(len(rows)) < 0.5)))
    return np.where(wins, less, more)
