"""Discounted UCB: an upper confidence bound on what was seen lately."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Cells, Rewards
from qbrix.policies._discount import discounts
from qbrix.policies._index import IndexPolicy
from qbrix.policies.base import Capabilities, Policy
from qbrix.types import Array, Interactions

__all__ = ["DiscountedUCBPolicy"]

_LEAST = 1e-100
"""What a discounted count is lifted to, so that its inverse is a number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscountedUCBPolicy(IndexPolicy[Rewards]):
    r"""Choose the arm of the largest upper bound, when older observations count less.

    .. math::

        U_a = \frac{S_a}{N_a} + 2 \sqrt{\frac{\xi \ln n}{N_a}}, \qquad
        N_a = \sum_{s : a_s = a} \gamma^{t - s}, \quad
        S_a = \sum_{s : a_s = a} \gamma^{t - s} r_s, \quad n = \sum_a N_a

    where t − s counts the interactions that were learned after s. Every allowed arm is observed
    once before any index is used; indices that tie share evenly.

    Parameters
    ----------
    gamma : float in (0, 1), default 0.99
        What remains of an observation after one more. It looks back over about 1/(1 − γ)
        interactions; :math:`1 - \tfrac14 \sqrt{\Upsilon / T}` for Υ changes in T rounds. It acts
        when a reward is learned: what was discounted before stays so.
    xi : float > 0, default 0.5
        Width of the bound. The proof wants more than 1/2.

    Examples
    --------
    Arm 0 paid 0 and then arm 1 paid 1, γ = ½: counts ½ and 1, so n = 3/2.

    >>> policy = DiscountedUCBPolicy(gamma=0.5)
    >>> state = Rewards(pulls=np.array([0.5, 1.0]), total_reward=np.array([0.0, 1.0]))
    >>> policy.prepare(state).round(4)
    array([1.2735, 1.9005])

    Notes
    -----
    Regret against the best arm of each round :math:`O(\sqrt{T \Upsilon} \ln T)` with the gamma
    above. *Applies when* rewards lie in [0, 1] and the means change a known number of times. Its
    bounds are wide, n being at most 1/(1 − γ), so for a short while it plays like chance. Time is
    counted in observations: delay shifts it, missing feedback stops it.

    References
    ----------
    Garivier and Moulines (2011), *On Upper-Confidence Bound Policies for Switching Bandit
    Problems*, algorithm 1 and Theorem 1. Kocsis and Szepesvári (2006), *Discounted UCB*.
    """

    gamma: float = param(0.99, gt=0, lt=1, doc="what remains of an observation after one more")
    xi: float = param(0.5, gt=0, doc="width of the confidence bound")

    state_type = Rewards
    capabilities = Capabilities(propensity="one-hot", update_cost="K")

    def index(self, state: Rewards, pulls: Array, mean: Array, *, t: Array) -> Array:
        """Discounted mean plus its padding, shape (..., K)."""
        known = np.log(np.maximum(t - 1.0, 1.0))
        width: Array = 2.0 * np.sqrt(self.xi * known / np.maximum(pulls, _LEAST))
        return mean + width

    def update_in_place(self, state: Rewards, batch: Interactions) -> None:
        """Discount all that was learned once for every row, and add the rows in order."""
        past, weights = discounts(batch, self.gamma)
        np.multiply(state.pulls, past, out=state.pulls)
        np.multiply(state.total_reward, past, out=state.total_reward)
        cells = Cells.of(batch, state.pulls.shape[-1])
        cells.add(state.pulls, cells.column(weights))
        cells.add(state.total_reward, cells.column(weights * batch.rewards))

    def merge(self, a: Rewards, b: Rewards) -> Rewards:
        """Refused: which history is the older one is not in the states."""
        return Policy.merge(self, a, b)
