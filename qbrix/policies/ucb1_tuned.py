"""UCB1-tuned: a width from the observed variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._index import IndexPolicy, Squares, variance
from qbrix.policies.base import Capabilities
from qbrix.types import Array

__all__ = ["UCB1TunedPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class UCB1TunedPolicy(IndexPolicy[Squares]):
    r"""Choose the arm with the largest mean plus a width from an upper bound of its variance.

    .. math::

        U_a(t) = \hat\mu_a + \sqrt{\frac{\ln t}{N_a}
            \min\Bigl\{\tfrac14,\; \hat\sigma_a^2 + \sqrt{\tfrac{\alpha \ln t}{N_a}}\Bigr\}}

    t is the index of the round that is being played: observations so far, plus one. Every allowed
    arm is observed once before any index is used; indices that tie share evenly.

    Parameters
    ----------
    alpha : float >= 0, default 2
        Confidence of the bound on the variance; 2 in the paper.

    Examples
    --------
    >>> policy = UCB1TunedPolicy()
    >>> state = Squares(
    ...     pulls=np.array([4.0, 4.0]), total_reward=np.array([4.0, 2.0]),
    ...     total_square=np.array([4.0, 2.0]),
    ... )
    >>> policy.prepare(state).round(4)
    array([1.3706, 0.8706])

    Notes
    -----
    In the experiments of the paper, and in most since, it beats UCB1 by far; no regret bound is
    known, and its worst runs are worse than UCB1's. *Applies when* rewards of an arm are
    independent in [0, 1] with a fixed mean. It repeats one arm until feedback arrives: a batch of n
    costs up to n rounds of the wrong arm whenever the leader changes.

    References
    ----------
    Auer, Cesa-Bianchi and Fischer (2002), *Finite-time Analysis of the Multiarmed Bandit Problem*,
    section 4.
    """

    alpha: float = param(2.0, gte=0, doc="confidence of the bound on the variance")

    state_type = Squares
    capabilities = Capabilities(order_free=True, propensity="one-hot", reward_types=("bounded",))

    def index(self, state: Squares, pulls: Array, mean: Array, *, t: Array) -> Array:
        """Mean and width, shape (..., K)."""
        level = np.log(t) / pulls
        bound = variance(state, pulls, mean) + np.sqrt(self.alpha * level)
        return mean + np.sqrt(level * np.minimum(bound, 0.25))
