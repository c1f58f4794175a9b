"""ε-first: explore for a share of the horizon, then exploit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards
from qbrix.policies._exploiting import ExploitingPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array

__all__ = ["EpsilonFirstPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class EpsilonFirstPolicy(ExploitingPolicy):
    r"""Explore uniformly in the first ε T rounds, then choose the largest mean.

    .. math::

        p_a = \begin{cases} 1/K & t \le \varepsilon T \\
            [\hat\mu_a = \max_b \hat\mu_b] \,/\, \#\text{best} & t > \varepsilon T \end{cases}

    t is the index of the round that is being played: observations so far, plus one. Exploiting, it
    tries unobserved arms first and goes on learning; means that tie share evenly.

    Parameters
    ----------
    horizon : int >= 1
        T, the number of rounds that will be played.
    eps : float in [0, 1], default 0.1
        Share of the horizon that explores; of the order :math:`T^{-1/3}` when nothing is known
        about the gaps.

    Examples
    --------
    >>> policy = EpsilonFirstPolicy(horizon=30, eps=0.1)
    >>> state = Rewards(pulls=np.array([2.0, 1.0]), total_reward=np.array([2.0, 0.0]))
    >>> policy.propensities(state)
    array([1., 0.])

    Notes
    -----
    With the right ε regret is of order :math:`T^{2/3}` whatever the gaps, and :math:`\ln T` for a
    known gap. *Applies when* the exploring share must be one block, as in a test before a roll-out.
    Exploration is all that a delay prolongs.

    References
    ----------
    Even-Dar, Mannor and Mansour (2002), *PAC Bounds for Multi-armed Bandit and Markov Decision
    Processes*, for how long to explore. Vermorel and Mohri (2005), *Multi-armed Bandit Algorithms
    and Empirical Evaluation*, section 3.1.
    """

    horizon: int = param(gt=0, doc="number of rounds that will be played")
    eps: float = param(0.1, gte=0, lte=1, doc="share of the horizon that explores")

    state_type = Rewards
    capabilities = Capabilities(reward="continuous", order_free=True, propensity="closed")

    def exploration(self, t: Array, *, n_arms: int) -> Array:
        """1 in the first ε T rounds, 0 after."""
        return np.where(t <= self.eps * self.horizon, 1.0, 0.0)
