"""A bounded memory of interactions, and the nearest of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.policies._counts import Pulls
from qbrix.policies._in_order import rows
from qbrix.state import array
from qbrix.types import Array, IntArray, Interactions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Remembered(Pulls):
    """The last w interactions; the place of the next one is the number of all before, modulo w.

    Propensities are those of the decisions for a learner that weighs by them, else 1.
    """

    contexts: Array = array("w", "d")
    arms: IntArray = array("w", dtype="int64")
    rewards: Array = array("w")
    propensities: Array = array("w")


def remember(state: Remembered, batch: Interactions, *, weighed: bool) -> None:
    """Put each row in the place of the oldest one, in place; without propensities, 1."""
    assert batch.contexts is not None
    n, window = batch.arms.shape[-1], state.rewards.shape[-1]
    if not n:
        return
    pulls, seen = rows(state.pulls), rows(state.pulls).sum(-1)
    arms, rewards = batch.arms.reshape(-1, n), batch.rewards.reshape(-1, n)
    propensities = batch.propensities if weighed else np.ones(batch.arms.shape)
    propensities = propensities.reshape(-1, n)
    contexts = batch.contexts.reshape(-1, n, batch.contexts.shape[-1])
    for row in range(n):
        at = np.flatnonzero(arms[:, row] >= 0)
        place = (seen[at] % window).astype(np.int64)
        rows(state.contexts, axes=2)[at, place] = contexts[at, row]
        rows(state.arms)[at, place] = arms[at, row]
        rows(state.rewards)[at, place] = rewards[at, row]
        rows(state.propensities)[at, place] = propensities[at, row]
        pulls[at, arms[at, row]] += 1.0
        seen[at] += 1.0


def nearest(state: Remembered, owner: IntArray, x: Array, *, k: int) -> Interactions:
    """The k nearest interactions, oldest first, (b, k); places never used are padding.

    Parameters
    ----------
    state : Remembered
    owner : IntArray, shape (b,)
        Which of the flattened states is asked.
    x : Array, shape (b, d)
        In which context.
    k : int
        At most w. Of several contexts at the same distance the first places are taken.
    """
    window = state.rewards.shape[-1]
    seen = rows(state.pulls).sum(-1)[owner]
    used = int(min(max(seen.max(), k), window))
    own = rows(state.contexts, axes=2)[:, :used]
    away = (own[owner] if len(own) > 1 else own) - x[:, None, :]
    distance = np.vecdot(away, away)
    distance[np.arange(used) >= seen[:, None]] = np.inf
    furthest = np.partition(distance, k - 1, axis=-1)[:, k - 1, None]
    near, level = distance < furthest, distance == furthest
    near |= level & (level.cumsum(-1) <= k - near.sum(-1, keepdims=True))
    place = np.nonzero(near)[1].reshape(len(x), k)
    age = (place - (seen % window).astype(np.int64)[:, None]) % window
    place = np.take_along_axis(place, age.argsort(-1), axis=-1)
    at = owner[:, None]
    return Interactions(
        arms=np.where(place < seen[:, None], rows(state.arms)[at, place], -1),
        rewards=rows(state.rewards)[at, place],
        propensities=rows(state.propensities)[at, place],
        state_versions=np.zeros(place.shape, dtype=np.int64),
    )
