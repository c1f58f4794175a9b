"""Greedy choice from optimistic initial values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import pick, share
from qbrix.policies._in_order import events, rows
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import State, array
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["OptimisticGreedyPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecentRewards(State):
    """Exponentially weighted rewards, and how much of the initial value they have replaced."""

    weighted_reward: Array = array("K")
    replaced: Array = array("K")


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimisticGreedyPolicy(Policy[RecentRewards, RecentRewards]):
    r"""Choose the largest value, where every value starts too high and every reward disappoints.

    .. math::

        Q_a \leftarrow Q_a + \alpha (r - Q_a), \qquad Q_a = Q_0 \text{ at the start}

    Values that tie share evenly; no arm is tried for being unobserved. The initial value is kept
    apart from what was learned, so changing it acts at once.

    Parameters
    ----------
    initial_value : float, default 5
        :math:`Q_0`; well above every reward. 5 is the book's for rewards around 0.
    step_size : float in (0, 1], default 0.1
        α; the initial value has the weight :math:`(1 - \alpha)^n` after n observations.

    Examples
    --------
    >>> policy = OptimisticGreedyPolicy()
    >>> state = RecentRewards(weighted_reward=np.array([0.1, 0.0]), replaced=np.array([0.1, 0.0]))
    >>> policy.values(state)
    array([4.6, 5. ])

    Notes
    -----
    It explores at the start only and cannot find an arm that became better later, though the
    constant step follows the arms that it plays. No regret bound is known. *Applies when* the scale
    of the rewards is known. Between two updates it repeats one arm.

    References
    ----------
    Sutton and Barto (2018), *Reinforcement Learning: An Introduction*, 2nd edition, sections 2.5
    and 2.6, figure 2.3.
    """

    initial_value: float = param(5.0, doc="value of every arm at the start")
    step_size: float = param(0.1, gt=0, lte=1, doc="weight of the newest reward")

    state_type = RecentRewards
    capabilities = Capabilities(reward="continuous", propensity="one-hot")

    def values(self, state: RecentRewards) -> Array:
        """Value of every arm, shape (..., K)."""
        return self.initial_value * (1.0 - state.replaced) + state.weighted_reward

    def propensities(
        self,
        prepared: RecentRewards,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
    ) -> Array:
        """1 for the largest value, shape (..., K)."""
        return share(self.values(prepared), mask)

    def update_in_place(self, state: RecentRewards, batch: Interactions) -> None:
        """Move value and replaced share of the arm towards reward and 1, in order."""
        weighted, replaced = rows(state.weighted_reward), rows(state.replaced)
        for event in events(batch):
            at, arm = event.at, event.arm
            weighted[at, arm] += self.step_size * (event.reward - weighted[at, arm])
            replaced[at, arm] += self.step_size * (1.0 - replaced[at, arm])

    def sample(
        self,
        prepared: RecentRewards,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm of the largest value, one per leading index."""
        return pick(self.values(prepared), mask=mask, rng=rng)
