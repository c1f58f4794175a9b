"""Bayes-UCB for rewards in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards
from qbrix.policies._index import IndexPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array

__all__ = ["BayesUCBPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BayesUCBPolicy(IndexPolicy[Rewards]):
    r"""Choose the arm with the largest upper quantile of its posterior.

    .. math::

        U_a(t) = Q\Bigl(1 - \frac{1}{t (\ln t)^c};\;
            \mathrm{Beta}(\alpha + S_a,\; \beta + N_a - S_a)\Bigr)

    t is the index of the round that is being played: observations so far, plus one. Every allowed
    arm is observed once before any index is used; indices that tie share evenly.

    Parameters
    ----------
    c : float >= 0, default 0
        Weight of the iterated logarithm (of ln t no less than 1 is taken). The proof wants 5, the
        authors recommend 0. They use the logarithm of the horizon; this one needs none.
    alpha_prior, beta_prior : float > 0, default 1
        Prior successes and failures of every arm; (1, 1) in the paper.

    Examples
    --------
    >>> policy = BayesUCBPolicy()
    >>> state = Rewards(pulls=np.array([1.0, 2.0]), total_reward=np.array([1.0, 0.0]))
    >>> policy.prepare(state).round(4)
    array([0.866, 0.37 ])

    Notes
    -----
    For Bernoulli rewards :math:`R_T / \ln T` tends to the Lai–Robbins constant. *Applies when*
    rewards of an arm are independent in [0, 1] with a fixed mean; for other laws than Bernoulli the
    posterior is wider than need be. It repeats one arm until feedback arrives: a batch of n costs
    up to n rounds of the wrong arm whenever the leader changes.

    References
    ----------
    Kaufmann, Cappé and Garivier (2012), *On Bayesian Upper Confidence Bounds for Bandit Problems*,
    Algorithm 1 and Theorem 1.
    """

    c: float = param(0.0, gte=0, doc="weight of the iterated logarithm")
    alpha_prior: float = param(1.0, gt=0, doc="prior successes of every arm")
    beta_prior: float = param(1.0, gt=0, doc="prior failures of every arm")

    state_type = Rewards
    capabilities = Capabilities(order_free=True, propensity="one-hot")

    def index(self, state: Rewards, pulls: Array, mean: Array, *, t: Array) -> Array:
        """Upper quantile of the posterior, shape (..., K)."""
        from scipy.special import betainccinv

        failures = np.maximum(pulls - state.total_reward, 0.0)
        risk = 1.0 / (t * np.maximum(np.log(t), 1.0) ** self.c)
        quantile = betainccinv(
            self.alpha_prior + state.total_reward, self.beta_prior + failures, risk
        )
        return np.asarray(quantile, dtype=np.float64)
