"""IMED: the arm whose optimality is cheapest to believe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.policies._counts import UNOBSERVED, Rewards, pick, share
from qbrix.policies._index import SumPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array, BoolArray, IntArray

__all__ = ["IMEDPolicy"]

_TINY = 1e-300


@dataclass(frozen=True, kw_only=True, slots=True)
class IMEDPolicy(SumPolicy[Rewards, Rewards]):
    r"""Choose the arm with the smallest empirical divergence from being the best.

    .. math::

        I_a = N_a \, \mathrm{kl}(\hat\mu_a, \hat\mu^*) + \ln N_a, \qquad
        \hat\mu^* = \max_b \hat\mu_b

    with the Bernoulli divergence; the maximum is over the allowed arms. Every allowed arm is
    observed once before any index is used; indices that tie share evenly.

    Examples
    --------
    >>> policy = IMEDPolicy()
    >>> state = Rewards(pulls=np.array([2.0, 8.0]), total_reward=np.array([1.0, 6.0]))
    >>> policy.propensities(state)
    array([1., 0.])

    Notes
    -----
    For Bernoulli rewards :math:`R_T / \ln T` tends to the Lai–Robbins constant
    :math:`\sum_a \Delta_a / \mathrm{kl}(\mu_a, \mu^*)`; no round, horizon or root is needed.
    *Applies when* rewards of an arm are independent in [0, 1] with a fixed mean; for other laws
    than Bernoulli it stays logarithmic, the paper has the sharper divergence. It repeats one arm
    until feedback arrives: a batch of n costs up to n rounds of the wrong arm whenever the leader
    changes.

    References
    ----------
    Honda and Takemura (2015), *Non-Asymptotic Analysis of a New Bandit Algorithm for Semi-Bounded
    Rewards*, Algorithm 1 and Theorem 5.
    """

    state_type = Rewards
    capabilities = Capabilities(order_free=True, propensity="one-hot")

    def propensities(
        self, prepared: Rewards, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """1 for the smallest index, shape (..., K)."""
        return share(_scores(prepared, mask), mask)

    def sample(
        self,
        prepared: Rewards,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm of the smallest index, one per leading index."""
        return pick(_scores(prepared, mask), mask=mask, rng=rng)


def _scores(state: Rewards, mask: BoolArray | None) -> Array:
    """Minus the indices, shape (..., K)."""
    observed = state.pulls > 0.0
    pulls = np.where(observed, state.pulls, 1.0)
    mean = state.total_reward / pulls
    known = observed if mask is None else observed & mask
    best = np.where(known, mean, 0.0).max(-1, keepdims=True)
    cost = pulls * _divergence(mean, best) + np.log(pulls)
    return np.where(observed, -cost, UNOBSERVED)


def _divergence(p: Array, q: Array) -> Array:
    """Bernoulli divergence, shape (..., K); infinite for p < q = 1, 0 where p ≥ q."""
    p = np.minimum(p, q)
    rest, other = 1.0 - p, 1.0 - q
    value = p * np.log(np.maximum(p, _TINY) / np.maximum(q, _TINY))
    value += rest * np.log(np.maximum(rest, _TINY) / np.maximum(other, _TINY))
    return np.where((other <= 0.0) & (rest > 0.0), np.inf, np.maximum(value, 0.0))
