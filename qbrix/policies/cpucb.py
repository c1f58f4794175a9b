"""CP-UCB: the exact confidence bound of Clopper and Pearson."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards
from qbrix.policies._index import IndexPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array

__all__ = ["CPUCBPolicy"]

_NONE = 1e-9
"""Fewer failures than this are none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CPUCBPolicy(IndexPolicy[Rewards]):
    r"""Choose the arm with the largest mean that its failures do not exclude.

    .. math::

        U_a(t) = \max\Bigl\{ q : P\bigl(\mathrm{Bin}(N_a, q) \le S_a\bigr)
            \ge \frac{1}{t (\ln t)^c} \Bigr\}
        = Q\Bigl(1 - \frac{1}{t (\ln t)^c};\; \mathrm{Beta}(S_a + 1, N_a - S_a)\Bigr)

    t is the index of the round that is being played: observations so far, plus one. The second form
    serves for sums S that are not whole. Every allowed arm is observed once before any index is
    used; indices that tie share evenly.

    Parameters
    ----------
    c : float >= 0, default 0
        Weight of the iterated logarithm (of ln t no less than 1 is taken).

    Examples
    --------
    >>> policy = CPUCBPolicy()
    >>> state = Rewards(pulls=np.array([2.0, 1.0]), total_reward=np.array([1.0, 0.0]))
    >>> policy.prepare(state).round(4)
    array([0.866, 0.75 ])

    Notes
    -----
    The bound holds with the stated probability for every number of observations; KL-UCB's is its
    large-deviation form, and both behave alike. *Applies when* rewards of an arm are independent,
    0 or 1, with a fixed mean; for others in [0, 1] it is wider than need be. It repeats one arm
    until feedback arrives: a batch of n costs up to n rounds of the wrong arm whenever the leader
    changes.

    References
    ----------
    Garivier and Cappé (2011), *The KL-UCB Algorithm for Bounded Stochastic Bandits and Beyond*,
    in its experiments. Clopper and Pearson (1934), *The Use of Confidence or Fiducial Limits
    Illustrated in the Case of the Binomial*.
    """

    c: float = param(0.0, gte=0, doc="weight of the iterated logarithm")

    state_type = Rewards
    capabilities = Capabilities(order_free=True, propensity="one-hot")

    def index(self, state: Rewards, pulls: Array, mean: Array, *, t: Array) -> Array:
        """Upper end of the confidence interval, shape (..., K)."""
        from scipy.special import betainccinv

        failures = pulls - state.total_reward
        risk = 1.0 / (t * np.maximum(np.log(t), 1.0) ** self.c)
        bound = betainccinv(state.total_reward + 1.0, np.maximum(failures, _NONE), risk)
        return np.where(failures > _NONE, bound, 1.0)
