"""KL-UCB for Gaussian rewards of known variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards
from qbrix.policies._root_index import RootIndexPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array

__all__ = ["GaussianKLUCBPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GaussianKLUCBPolicy(RootIndexPolicy):
    r"""Choose the arm whose mean could be the largest, as far as a Gaussian divergence allows.

    .. math::

        U_a(t) = \max\Bigl\{ q : N_a \frac{(q - \hat\mu_a)^2}{2 \sigma^2}
            \le \ln t + c \ln \ln t \Bigr\}
        = \hat\mu_a + \sqrt{\frac{2 \sigma^2 (\ln t + c \ln \ln t)}{N_a}}

    t is the index of the round that is being played: observations so far, plus one. Every allowed
    arm is observed once before any index is used; indices that tie share evenly.

    Parameters
    ----------
    variance : float > 0, default 1
        :math:`\sigma^2`, of a reward around its arm's mean, or an upper bound of it.
    c : float >= 0, default 0
        Weight of ln ln t (no less than 0 is taken of it); the proof wants 3.

    Examples
    --------
    >>> policy = GaussianKLUCBPolicy(variance=0.5)
    >>> state = Rewards(pulls=np.array([1.0, 4.0]), total_reward=np.array([-1.0, 2.0]))
    >>> policy.prepare(state).index.round(4)
    array([0.3386, 1.1693])

    Notes
    -----
    For Gaussian rewards :math:`R_T / \ln T` tends to the best constant,
    :math:`\sum_a 2 \sigma^2 / \Delta_a`. *Applies when* rewards of an arm are independent with a
    fixed mean and tails no heavier than the declared Gaussian's. It repeats one arm until feedback
    arrives: a batch of n costs up to n rounds of the wrong arm whenever the leader changes.

    References
    ----------
    Cappé, Garivier, Maillard, Munos and Stoltz (2013), *Kullback–Leibler Upper Confidence Bounds
    for Optimal Sequential Allocation*, Algorithm 2 and section 4.
    """

    variance: float = param(1.0, gt=0, doc="variance of a reward around its arm's mean")
    c: float = param(0.0, gte=0, doc="weight of ln ln t in the exploration")

    state_type = Rewards
    capabilities = Capabilities(reward="continuous", order_free=True, propensity="one-hot")

    def radius(self, t: Array) -> Array:
        """√(2 σ² (ln t + c ln ln t))."""
        log_t = np.log(t)
        exploration = log_t + self.c * np.log(np.maximum(log_t, 1.0))
        return np.sqrt(2.0 * self.variance * exploration)
