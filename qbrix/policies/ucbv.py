"""UCB-V: a width from Bernstein's inequality with the observed variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._index import IndexPolicy, Squares, variance
from qbrix.policies.base import Capabilities
from qbrix.types import Array

__all__ = ["UCBVPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class UCBVPolicy(IndexPolicy[Squares]):
    r"""Choose the arm with the largest mean plus an empirical Bernstein width.

    .. math::

        U_a(t) = \hat\mu_a + \sqrt{\frac{2 \hat\sigma_a^2 \zeta \ln t}{N_a}}
            + c \, \frac{3 \zeta \ln t}{N_a}

    t is the index of the round that is being played: observations so far, plus one. Every allowed
    arm is observed once before any index is used; indices that tie share evenly.

    Parameters
    ----------
    zeta : float > 0, default 1
        Exploration; the theorem wants more than 1, the paper's experiments take 1.
    c : float >= 0, default 1
        Weight of the term for what the observed variance cannot tell.

    Examples
    --------
    >>> policy = UCBVPolicy()
    >>> state = Squares(
    ...     pulls=np.array([4.0, 4.0]), total_reward=np.array([4.0, 2.0]),
    ...     total_square=np.array([4.0, 2.0]),
    ... )
    >>> policy.prepare(state).round(4)
    array([2.6479, 2.672 ])

    Notes
    -----
    For zeta = 1.2 and c = 1 the regret is at most
    :math:`10 \sum_a (\sigma_a^2 / \Delta_a + 2) \ln T`: small where the variance is. *Applies when*
    rewards of an arm are independent in [0, 1] with a fixed mean. It repeats one arm until feedback
    arrives: a batch of n costs up to n rounds of the wrong arm whenever the leader changes.

    References
    ----------
    Audibert, Munos and Szepesvári (2009), *Exploration–exploitation Tradeoff Using Variance
    Estimates in Multi-armed Bandits*, equation (1) and Theorem 4.
    """

    zeta: float = param(1.0, gt=0, doc="exploration: multiplies ln t")
    c: float = param(1.0, gte=0, doc="weight of the term that does not shrink with the variance")

    state_type = Squares
    capabilities = Capabilities(order_free=True, propensity="one-hot")

    def index(self, state: Squares, pulls: Array, mean: Array, *, t: Array) -> Array:
        """Mean and both widths, shape (..., K)."""
        level = self.zeta * np.log(t) / pulls
        spread = np.sqrt(2.0 * variance(state, pulls, mean) * level)
        return mean + spread + 3.0 * self.c * level
