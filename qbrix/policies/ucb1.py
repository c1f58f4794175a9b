"""UCB1 for rewards in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.policies._counts import Rewards
from qbrix.policies._root_index import RootIndexPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array

__all__ = ["UCB1Policy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class UCB1Policy(RootIndexPolicy):
    r"""Choose the arm whose mean could be the largest, as far as Hoeffding's inequality allows.

    .. math::

        U_a(t) = \hat\mu_a + \sqrt{\frac{2 \ln t}{N_a}}

    t is the index of the round that is being played: observations so far, plus one. Every allowed
    arm is observed once before any index is used; indices that tie share evenly.

    Examples
    --------
    >>> policy = UCB1Policy()
    >>> state = Rewards(pulls=np.array([4.0, 1.0]), total_reward=np.array([4.0, 0.0]))
    >>> policy.prepare(state).index.round(4)
    array([1.9465, 1.893 ])

    Notes
    -----
    Regret at most :math:`8 \sum_a \ln T / \Delta_a + (1 + \pi^2/3) \sum_a \Delta_a`. *Applies when*
    rewards of an arm are independent in [0, 1] with a fixed mean. The width is that of the worst
    law on [0, 1]; on Bernoulli arms near 0 or 1 it explores several times more than KL-UCB. It
    repeats one arm until feedback arrives: a batch of n costs up to n rounds of the wrong arm
    whenever the leader changes.

    References
    ----------
    Auer, Cesa-Bianchi and Fischer (2002), *Finite-time Analysis of the Multiarmed Bandit Problem*,
    figure 1 and Theorem 1.
    """

    state_type = Rewards
    capabilities = Capabilities(order_free=True, propensity="one-hot")

    def radius(self, t: Array) -> Array:
        """√(2 ln t)."""
        return np.sqrt(2.0 * np.log(t))
