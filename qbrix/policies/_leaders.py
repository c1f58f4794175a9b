"""The best mean of every replication, looked for again only where it could have changed."""

from __future__ import annotations

import numpy as np

from qbrix.policies._counts import TIE, Rewards, starts
from qbrix.policies._explore import Exploration, best
from qbrix.types import Array, IntArray

_LARGE = float(np.finfo(np.float64).max) / 2.0


def play_greedy(
    state: Rewards, rewards: Array, *, exploration: Exploration, chosen: IntArray
) -> None:
    """Choose the best mean, or what is explored instead, and learn, round after round.

    A leader stays while its mean exceeds a bound on all others. A round moves one mean: the
    leader's own, or that of an explored arm, which may raise the bound.

    Parameters
    ----------
    state : Rewards, leading axis R
        Every arm is observed; learns in place.
    rewards : Array, shape (B, R, K)
    exploration : Exploration
    chosen : IntArray, shape (B, R)
        Receives the arms.
    """
    size, replications, n_arms = rewards.shape
    offsets, ones = starts((replications,), n_arms), np.ones(replications)
    pulls, total = (a.reshape(-1, copy=False) for a in (state.pulls, state.total_reward))
    means = state.total_reward / state.pulls
    flat = means.reshape(-1)
    leader = np.zeros(replications, dtype=np.int64)
    top, bound = np.zeros(replications), np.full(replications, np.inf)
    for i, (arms, table) in enumerate(zip(chosen, rewards.reshape(size, -1), strict=True)):
        doubtful = np.flatnonzero(top <= bound)
        if doubtful.size:
            rows = means[doubtful]
            leader[doubtful] = own = best(rows, u=exploration.rest[i][doubtful])
            top[doubtful], bound[doubtful] = _ahead(rows, own)
        arms[:] = leader
        exploration.divert(i, arms)
        cells = arms + offsets
        pulls[cells] = count = pulls[cells] + ones
        total[cells] = paid = total[cells] + table[cells]
        flat[cells] = mean = paid / count
        who = exploration.exploring(i)
        strays = who[arms[who] != leader[who]]
        kept = top[strays]
        top = mean
        bound[strays] = np.maximum(bound[strays], _above(mean[strays]))
        top[strays] = kept


def _ahead(rows: Array, leader: IntArray) -> tuple[Array, Array]:
    """The leader's mean and a bound on the others', (m,) each; writes into ``rows``."""
    spots = (np.arange(leader.size), leader)
    top = rows[spots]
    rows[spots] = -_LARGE
    return top, _above(rows.max(1))


def _above(mean: Array) -> Array:
    """So much that a larger mean does not tie with this one."""
    higher: Array = mean + 2.0 * TIE * np.maximum(np.abs(mean), 1.0)
    return higher
