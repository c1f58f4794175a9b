"""Rounds one after the other, for what `Policy.play` does not do faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from qbrix.policies._counts import starts
from qbrix.policies.base import Policy
from qbrix.state import State
from qbrix.types import Array, IntArray, Interactions

S = TypeVar("S", bound=State)
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


def in_turn(
    policy: Policy[S, P],
    prepared: P,
    state: S,
    rewards: Array,
    *,
    until: Callable[[P], bool],
    rng: np.random.Generator,
) -> tuple[IntArray, int, P]:
    """`one_round` after the other, until something holds or the block is over.

    Parameters
    ----------
    rewards : Array, shape (B, R, K)

    Returns
    -------
    arms : IntArray, shape (B, R)
        The rows that were not played are to be filled.
    played : int
    prepared : P
    """
    arms = np.empty(rewards.shape[:2], dtype=np.int64)
    played = 0
    while played < len(rewards) and not until(prepared):
        arms[played], prepared = one_round(policy, prepared, state, rewards[played], rng=rng)
        played += 1
    return arms, played, prepared
