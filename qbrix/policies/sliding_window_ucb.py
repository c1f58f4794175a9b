"""Sliding-window UCB: an upper confidence bound on the last τ observations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards
from qbrix.policies._in_order import events, rows
from qbrix.policies._index import IndexPolicy
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import array, zeros
from qbrix.types import Array, IntArray, Interactions

__all__ = ["SlidingWindowUCBPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window(Rewards):
    """Counts and sums over the last τ observations, and these observations in a ring.

    ``seen`` counts all observations; the next one is written at ``seen`` modulo τ.
    """

    recent_arms: IntArray = array("tau", dtype="int64")
    recent_rewards: Array = array("tau")
    seen: IntArray = array(dtype="int64")


@dataclass(frozen=True, kw_only=True, slots=True)
class SlidingWindowUCBPolicy(IndexPolicy[Window]):
    r"""Choose the arm of the largest upper bound, of what was observed lately and nothing else.

    .. math::

        U_a = \hat\mu_a(\tau) + \sqrt{\frac{\xi \ln \min(t, \tau)}{N_a(\tau)}}

    Mean and count are those of the last τ interactions that were learned; t is the index of the
    round that is being played: all observations so far, plus one. An allowed arm without an
    observation in the window comes first; indices that tie share evenly.

    Parameters
    ----------
    tau : int >= 1, default 200
        Length of the window. :math:`2 \sqrt{T \ln T / \Upsilon}` for Υ changes in T rounds. The
        state holds that many observations, so another τ needs a reset.
    xi : float > 0, default 0.5
        Width of the bound. The proof wants more than 1/2.

    Examples
    --------
    >>> policy = SlidingWindowUCBPolicy(tau=2)
    >>> batch = Interactions(
    ...     arms=np.array([0, 0, 1]), rewards=np.array([1.0, 0.0, 1.0]), propensities=np.ones(3),
    ...     state_versions=np.zeros(3, dtype=np.int64),
    ... )
    >>> state = policy.update(policy.init(n_arms=2), batch)
    >>> state.pulls, state.total_reward
    (array([1., 1.]), array([0., 1.]))

    Notes
    -----
    Regret against the best arm of each round :math:`O(\sqrt{T \Upsilon \ln T})` with the tau above.
    *Applies when* rewards lie in [0, 1] and the means change a known number of times. With K near τ
    it does little but observe arms that fell out of the window. Time is counted in observations:
    delay shifts it, missing feedback stops it.

    References
    ----------
    Garivier and Moulines (2011), *On Upper-Confidence Bound Policies for Switching Bandit
    Problems*, section 3.2 and Theorem 2.
    """

    tau: int = param(200, gte=1, doc="length of the window", structural=True)
    xi: float = param(0.5, gt=0, doc="width of the confidence bound")

    state_type = Window
    capabilities = Capabilities(propensity="one-hot")

    def init(self, *, n_arms: int, dim: int = 0) -> Window:
        """An empty window."""
        return zeros(Window, K=n_arms, tau=self.tau)

    def index(self, state: Window, pulls: Array, mean: Array, *, t: Array) -> Array:
        """Mean in the window plus its padding, shape (..., K)."""
        width: Array = np.sqrt(self.xi * np.log(np.minimum(t, self.tau)) / pulls)
        return mean + width

    def update_in_place(self, state: Window, batch: Interactions) -> None:
        """Let the oldest observation go, where the window is full, and take in the new one."""
        pulls, total = rows(state.pulls), rows(state.total_reward)
        arms, rewards = rows(state.recent_arms), rows(state.recent_rewards)
        seen = rows(state.seen, axes=0)
        tau = arms.shape[-1]
        for event in events(batch):
            at = event.at
            slot = seen[at] % tau
            full = seen[at] >= tau
            old = (at[full], slot[full])
            pulls[at[full], arms[old]] -= 1.0
            total[at[full], arms[old]] -= rewards[old]
            arms[at, slot], rewards[at, slot] = event.arm, event.reward
            pulls[at, event.arm] += 1.0
            total[at, event.arm] += event.reward
            seen[at] += 1
            _sum_again(total, arms, rewards, at=at[slot == tau - 1])

    def merge(self, a: Window, b: Window) -> Window:
        """Refused: which history is the older one is not in the states."""
        return Policy.merge(self, a, b)


def _sum_again(total: Array, arms: IntArray, rewards: Array, *, at: IntArray) -> None:
    """Sums from the window itself once per turn of the ring, so that rounding cannot pile up."""
    if at.size:
        total[at] = 0.0
        np.add.at(total, (at[:, np.newaxis], arms[at]), rewards[at])
