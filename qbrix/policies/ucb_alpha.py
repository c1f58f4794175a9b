"""UCB with a chosen width, for rewards without bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards
from qbrix.policies._root_index import RootIndexPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array

__all__ = ["UCBAlphaPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class UCBAlphaPolicy(RootIndexPolicy):
    r"""Choose the arm with the largest mean plus a width that the researcher scales.

    .. math::

        U_a(t) = \hat\mu_a + \sqrt{\frac{\alpha \ln t}{2 N_a}}

    t is the index of the round that is being played: observations so far, plus one. Every allowed
    arm is observed once before any index is used; indices that tie share evenly.

    Parameters
    ----------
    alpha : float >= 0, default 1
        Confidence. For rewards in [0, 1] 4 is UCB1, the theorem wants more than 2, and 1 is better
        in practice. For noise of standard deviation σ multiply by :math:`4 \sigma^2`; Sutton and
        Barto's :math:`c \sqrt{\ln t / N_a}` is :math:`\alpha = 2 c^2`.

    Examples
    --------
    >>> policy = UCBAlphaPolicy(alpha=4.0)
    >>> state = Rewards(pulls=np.array([4.0, 1.0]), total_reward=np.array([4.0, 0.0]))
    >>> policy.prepare(state).index.round(4)
    array([1.9465, 1.893 ])

    Notes
    -----
    Regret at most :math:`\sum_a (2 \alpha \ln T / \Delta_a + \alpha / (\alpha - 2))` for
    :math:`\alpha > 2`. *Applies when* rewards of an arm are independent with a fixed mean and as
    spread as a law on [0, 1] (variance proxy 1/4), or alpha is scaled to their spread. It repeats
    one arm until feedback arrives: a batch of n costs up to n rounds of the wrong arm whenever the
    leader changes.

    References
    ----------
    Bubeck and Cesa-Bianchi (2012), *Regret Analysis of Stochastic and Nonstochastic Multi-armed
    Bandit Problems*, section 2.2 and Theorem 2.1. Sutton and Barto (2018), *Reinforcement Learning:
    An Introduction*, 2nd edition, section 2.7.
    """

    alpha: float = param(1.0, gte=0, doc="confidence: scales the squared width")

    state_type = Rewards
    capabilities = Capabilities(reward="continuous", order_free=True, propensity="one-hot")

    def radius(self, t: Array) -> Array:
        """√(α ln t / 2)."""
        return np.sqrt((0.5 * self.alpha) * np.log(t))
