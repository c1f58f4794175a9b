"""Explore-then-commit: m observations of every arm, then one arm for good."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import UNOBSERVED, Rewards, pick, share
from qbrix.policies._in_order import events, rows
from qbrix.policies.base import Capabilities, Policy
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["ExploreThenCommitPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExploreThenCommitPolicy(Policy[Rewards, Rewards]):
    r"""Observe every arm m times in turn, then choose the one with the largest mean for ever.

    .. math::

        p_a \propto \begin{cases} [N_a = \min_b N_b] & \min_b N_b < m \\
            [\hat\mu_a = \max_b \hat\mu_b] & \text{else} \end{cases}

    :math:`\hat\mu_a` is the mean of the arm's first m rewards: the state keeps no later ones, so
    nothing can undo the commitment. Arms that tie share evenly.

    Parameters
    ----------
    m : int >= 1
        Observations of every arm before it commits. For two unit-variance Gaussian arms with gap Δ,
        :math:`\lceil 4 \Delta^{-2} \ln(T \Delta^2 / 4) \rceil` is near the best.

    Examples
    --------
    >>> policy = ExploreThenCommitPolicy(m=2)
    >>> state = Rewards(pulls=np.array([2.0, 1.0]), total_reward=np.array([1.0, 1.0]))
    >>> policy.propensities(state)
    array([0., 1.])

    Notes
    -----
    For two unit-variance Gaussian arms the regret is exactly
    :math:`\Delta [m + (T - 2m) \Phi(-\Delta \sqrt{m/2})]`. *Applies when* rewards of an arm are
    independent with a fixed mean, and a trial must end with a decision. Delay prolongs the trial
    only: observations beyond the m-th are not used.

    References
    ----------
    Lattimore and Szepesvári (2020), *Bandit Algorithms*, Algorithm 1 and Theorem 6.1. Garivier,
    Kaufmann and Lattimore (2016), *On Explore-Then-Commit Strategies*, section 3.
    """

    m: int = param(gt=0, doc="observations of every arm before it commits", structural=True)

    state_type = Rewards
    capabilities = Capabilities(reward="continuous", propensity="one-hot")

    def propensities(
        self, prepared: Rewards, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """1 for the arm in turn or in favour, shape (..., K)."""
        return share(self._scores(prepared), mask)

    def update_in_place(self, state: Rewards, batch: Interactions) -> None:
        """Count an observation and add its reward, up to the m-th of the arm."""
        pulls, total = rows(state.pulls), rows(state.total_reward)
        for event in events(batch):
            wanted = pulls[event.at, event.arm] < self.m
            at, arm = event.at[wanted], event.arm[wanted]
            pulls[at, arm] += 1.0
            total[at, arm] += event.reward[wanted]

    def sample(
        self,
        prepared: Rewards,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm in turn or in favour, one per leading index."""
        return pick(self._scores(prepared), mask=mask, rng=rng)

    def _scores(self, state: Rewards) -> Array:
        """Missing observations, scaled above every mean, or the mean; shape (..., K)."""
        missing = self.m - state.pulls
        in_turn = missing * (UNOBSERVED / (2.0 * self.m))
        return np.where(missing > 0.0, in_turn, state.total_reward / self.m)
