"""KL-UCB for counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards
from qbrix.policies._excess import above
from qbrix.policies._index import IndexPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array

__all__ = ["PoissonKLUCBPolicy"]

_NONE = 1e-12
"""A mean below this is none: its divergence is a straight line to twelve digits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PoissonKLUCBPolicy(IndexPolicy[Rewards]):
    r"""Choose the arm whose mean could be the largest, as far as a Poisson divergence allows.

    .. math::

        U_a(t) = \max\bigl\{ q : N_a \, d(\hat\mu_a, q) \le \ln t + c \ln \ln t \bigr\}, \qquad
        d(p, q) = q - p + p \ln\frac{p}{q}

    t is the index of the round that is being played: observations so far, plus one. Every allowed
    arm is observed once before any index is used; indices that tie share evenly. Made for counts,
    it learns from any number: a mean that is not positive has :math:`d(p, q) = q - p`, the limit.

    Parameters
    ----------
    c : float >= 0, default 0
        Weight of ln ln t (no less than 0 is taken of it); the proof wants 3.

    Examples
    --------
    >>> policy = PoissonKLUCBPolicy()
    >>> state = Rewards(pulls=np.array([1.0, 4.0]), total_reward=np.array([0.0, 8.0]))
    >>> policy.prepare(state).round(4)
    array([1.7918, 3.6524])

    Notes
    -----
    For Poisson rewards :math:`R_T / \ln T` tends to the best constant,
    :math:`\sum_a \Delta_a / d(\mu_a, \mu^*)`. *Applies when* rewards of an arm are independent
    counts, with a fixed mean and no more spread than Poisson counts have. It repeats one arm until
    feedback arrives: a batch of n costs up to n rounds of the wrong arm whenever the leader
    changes.

    References
    ----------
    Cappé, Garivier, Maillard, Munos and Stoltz (2013), *Kullback–Leibler Upper Confidence Bounds
    for Optimal Sequential Allocation*, Algorithm 2 and Theorem 1.
    """

    c: float = param(0.0, gte=0, doc="weight of ln ln t in the exploration")

    state_type = Rewards
    capabilities = Capabilities(reward="nonnegative", order_free=True, propensity="one-hot")

    def index(self, state: Rewards, pulls: Array, mean: Array, *, t: Array) -> Array:
        """The largest plausible mean, shape (..., K)."""
        log_t = np.log(t)
        level = (log_t + self.c * np.log(np.maximum(log_t, 1.0))) / pulls
        some = mean > _NONE
        positive = np.where(some, mean, 1.0)
        return np.where(some, positive * above(level / positive), mean + level)
