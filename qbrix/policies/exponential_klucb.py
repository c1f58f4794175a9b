"""KL-UCB for exponentially distributed rewards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards
from qbrix.policies._excess import decay_below
from qbrix.policies._index import IndexPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array

__all__ = ["ExponentialKLUCBPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExponentialKLUCBPolicy(IndexPolicy[Rewards]):
    r"""Choose the arm whose mean could be the largest, as far as an exponential law allows.

    .. math::

        U_a(t) = \max\bigl\{ q : N_a \, d(\hat\mu_a, q) \le \ln t + c \ln \ln t \bigr\}, \qquad
        d(p, q) = \frac{p}{q} - 1 - \ln\frac{p}{q}

    t is the index of the round that is being played: observations so far, plus one. Every allowed
    arm is observed once before any index is used; indices that tie share evenly. The unit of the
    rewards does not matter. Made for positive rewards, it learns from any number: a mean that is
    not positive is its own index, because no exponential law has it.

    Parameters
    ----------
    c : float >= 0, default 0
        Weight of ln ln t (no less than 0 is taken of it); the proof wants 3.

    Examples
    --------
    >>> policy = ExponentialKLUCBPolicy()
    >>> state = Rewards(pulls=np.array([1.0, 4.0]), total_reward=np.array([1.0, 8.0]))
    >>> policy.prepare(state).round(3)
    array([15.276,  6.145])

    Notes
    -----
    For exponential rewards :math:`R_T / \ln T` tends to the best constant,
    :math:`\sum_a \Delta_a / d(\mu_a, \mu^*)`. *Applies when* rewards of an arm are independent,
    positive, with a fixed mean and no heavier tails than exponential ones: waiting times, amounts.
    It repeats one arm until feedback arrives: a batch of n costs up to n rounds of the wrong arm
    whenever the leader changes.

    References
    ----------
    Garivier and Cappé (2011), *The KL-UCB Algorithm for Bounded Stochastic Bandits and Beyond*,
    its scenario of truncated exponential rewards. Cappé, Garivier, Maillard, Munos
    and Stoltz (2013), *Kullback–Leibler Upper Confidence Bounds for Optimal Sequential Allocation*,
    Theorem 1.
    """

    c: float = param(0.0, gte=0, doc="weight of ln ln t in the exploration")

    state_type = Rewards
    capabilities = Capabilities(reward="nonnegative", order_free=True, propensity="one-hot")

    def index(self, state: Rewards, pulls: Array, mean: Array, *, t: Array) -> Array:
        """The largest plausible mean, shape (..., K)."""
        log_t = np.log(t)
        level = (log_t + self.c * np.log(np.maximum(log_t, 1.0))) / pulls
        growth = np.exp(np.minimum(decay_below(level), 300.0))
        return np.where(mean > 0.0, mean * growth, mean)
