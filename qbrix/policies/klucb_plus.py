"""KL-UCB+ for rewards in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards
from qbrix.policies._index import IndexPolicy, largest_mean
from qbrix.policies.base import Capabilities
from qbrix.types import Array

__all__ = ["KLUCBPlusPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class KLUCBPlusPolicy(IndexPolicy[Rewards]):
    r"""KL-UCB whose exploration is spent by the arm's own observations.

    .. math::

        U_a(t) = \max\Bigl\{ q \in [\hat\mu_a, 1] :
            N_a \, \mathrm{kl}(\hat\mu_a, q) \le \ln \frac{t}{N_a}
            + c \ln \ln \frac{t}{N_a} \Bigr\}

    t is the index of the round that is being played: observations so far, plus one. Every allowed
    arm is observed once before any index is used; indices that tie share evenly.

    Parameters
    ----------
    c : float >= 0, default 0
        Weight of the iterated logarithm, of which no less than 0 is taken.
    tolerance : float > 0, default 1e-6
        Newton's method stops when its last step is no larger, relative to the distance between
        index and mean.
    max_iterations : int >= 1, default 50
        Steps after which it stops in any case; about three are taken.

    Examples
    --------
    >>> policy = KLUCBPlusPolicy()
    >>> state = Rewards(pulls=np.array([1.0, 3.0]), total_reward=np.array([0.0, 3.0]))
    >>> policy.prepare(state)
    array([0.8, 1. ])

    Notes
    -----
    For Bernoulli rewards :math:`R_T / \ln T` tends to the Lai–Robbins constant
    :math:`\sum_a \Delta_a / \mathrm{kl}(\mu_a, \mu^*)`, as for KL-UCB, with a clearly smaller
    regret at practical horizons. *Applies when* rewards of an arm are independent in [0, 1] with a
    fixed mean. It repeats one arm until feedback arrives: a batch of n costs up to n rounds of the
    wrong arm whenever the leader changes.

    References
    ----------
    Garivier and Cappé (2011), *The KL-UCB Algorithm for Bounded Stochastic Bandits and Beyond*,
    where it is proposed and simulated. Kaufmann (2018), *On Bayesian Index Policies for
    Sequential Resource Allocation*, for its asymptotic optimality.
    """

    c: float = param(0.0, gte=0, doc="weight of the iterated logarithm in the exploration")
    tolerance: float = param(1e-6, gt=0, doc="relative size of the last Newton step")
    max_iterations: int = param(50, gte=1, doc="most Newton steps")

    state_type = Rewards
    capabilities = Capabilities(order_free=True, propensity="one-hot")

    def index(self, state: Rewards, pulls: Array, mean: Array, *, t: Array) -> Array:
        """The largest plausible mean, shape (..., K)."""
        exploration = np.log(t / pulls)
        if self.c:
            exploration += self.c * np.log(np.maximum(exploration, 1.0))
        return largest_mean(
            mean,
            exploration,
            pulls,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
        )
