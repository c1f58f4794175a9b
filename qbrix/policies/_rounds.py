"""Rounds one after the other, for what `Policy.play` does not do faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from qbrix.policies._counts import Rewards, pick, starts
from qbrix.policies.base import Policy
from qbrix.types import Array, IntArray, Interactions

S = TypeVar("S", bound=Rewards)
P = TypeVar("P")


def one_round(
    policy: Policy[S, P],
    prepared: P,
    state: S,
    rewards: Array,
    *,
    rng: np.random.Generator,
) -> tuple[IntArray, P]:
    """Decide by ``sample`` and learn by ``update_in_place`` and ``advance``, once.

    For a policy without contexts whose learning needs no propensity.

    Parameters
    ----------
    prepared, state
        With leading axis R; the caller's own.
    rewards : Array, shape (R, K)
        What each arm would pay.

    Returns
    -------
    arms : IntArray, shape (R,)
    prepared : P
    """
    replications, n_arms = rewards.shape
    arms = policy.sample(prepared, rng=rng)
    cells = arms + starts((replications,), n_arms)
    batch = Interactions(
        arms=arms[:, np.newaxis],
        rewards=rewards.reshape(-1).take(cells)[:, np.newaxis],
        propensities=np.ones((replications, 1)),
        state_versions=np.zeros((replications, 1), dtype=np.int64),
        cells=cells,
    )
    policy.update_in_place(state, batch)
    return arms, policy.advance(prepared, state, batch)


def opening(
    policy: Policy[S, P],
    prepared: P,
    state: S,
    rewards: Array,
    *,
    over: Callable[[P], bool],
    rng: np.random.Generator,
) -> tuple[IntArray, int, P]:
    """Play until every arm is observed, for a policy of `Rewards` that observes each of them first.

    Parameters
    ----------
    rewards : Array, shape (B, R, K)
    over : callable
        Whether a prepared form has no unobserved arm.

    Returns
    -------
    arms : IntArray, shape (B, R)
        Rows that were not played are left to be filled.
    played : int
    prepared : P
    """
    arms = np.empty(rewards.shape[:2], dtype=np.int64)
    if over(prepared):
        return arms, 0, prepared
    played = _first_observations(state, rewards, arms=arms, rng=rng)
    if played:
        prepared = policy.prepare(state)
    while played < len(rewards) and not over(prepared):
        arms[played], prepared = one_round(policy, prepared, state, rewards[played], rng=rng)
        played += 1
    return arms, played, prepared


def _first_observations(
    state: Rewards, rewards: Array, *, arms: IntArray, rng: np.random.Generator
) -> int:
    """Rounds in which all replications have unobserved arms, without an index of the others."""
    replications, n_arms = rewards.shape[1:]
    offsets = starts((replications,), n_arms)
    pulls, total = (a.reshape(-1, copy=False) for a in (state.pulls, state.total_reward))
    played = 0
    while played < len(rewards) and not state.pulls.all(1).any():
        arms[played] = pick((state.pulls == 0.0).astype(np.float64), rng=rng, bounded=True)
        cells = arms[played] + offsets
        pulls[cells] = 1.0
        total[cells] += rewards[played].reshape(-1)[cells]
        played += 1
    return played
