"""Exploring or exploiting by one uniform number: whether, where, and which of the best arms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.policies._counts import UNOBSERVED, Rewards, starts, tied
from qbrix.types import Array, BoolArray, IntArray

_NEVER = 1e-300
"""Stands for a probability of 0 in a quotient."""


@dataclass(slots=True, kw_only=True)
class Greedy:
    """What a decision needs.

    Attributes
    ----------
    state : Rewards
    exploration : Array, shape (...)
        Probability of exploring where every allowed arm is observed.
    fresh : bool
        Whether some arm is unobserved.
    """

    state: Rewards
    exploration: Array
    fresh: bool

    def means(self) -> Array:
        """Mean rewards (..., K), `UNOBSERVED` where there are none."""
        total, pulls = self.state.total_reward, self.state.pulls
        if not self.fresh:
            means: Array = total / pulls
        else:
            means = np.full(pulls.shape, UNOBSERVED)
            np.divide(total, pulls, out=means, where=pulls > 0.0)
        return means

    def idle(self, means: Array, mask: BoolArray | None) -> BoolArray:
        """Where nothing is explored (...,), because an allowed arm is unobserved."""
        unobserved = means == UNOBSERVED
        found: BoolArray = (unobserved if mask is None else unobserved & mask).any(-1)
        return found


def anywhere(u: Array, explore: Array | float, n_arms: int) -> IntArray:
    """The arm that ``u`` explores, where it lies below ``explore``."""
    share_of_it = np.minimum(u / np.maximum(explore, _NEVER), 1.0)
    arms: IntArray = np.minimum(share_of_it * n_arms, n_arms - 1).astype(np.int64)
    return arms


def rest(u: Array, explore: Array | float) -> Array:
    """What is left of ``u`` where it lies above ``explore``: again uniform in [0, 1); else 0."""
    left: Array = np.maximum(u - explore, 0.0) / np.maximum(1.0 - explore, _NEVER)
    return left


def best(means: Array, *, u: Array, bounded: bool = False) -> IntArray:
    """The best arm of every row (R, K); ``u`` (R,) shares ties evenly; ``bounded`` as `tied`."""
    arms: IntArray = means.argmax(1)
    top = means.take(arms + starts(arms.shape, means.shape[1]))
    near = tied(means, top, bounded=bounded)
    if np.count_nonzero(near) > arms.size:
        several = np.flatnonzero(near.sum(1) > 1)
        ties = near[several].cumsum(1)
        rank = (u[several] * ties[:, -1]).astype(np.int64)
        arms[several] = (ties > rank[:, None]).argmax(1)
    return arms
