"""Linear Thompson sampling with disjoint arms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import pick
from qbrix.policies._gaussian_best_arm import gaussian_best_arm
from qbrix.policies._linear import LinearPolicy, Moments, Ridge, played
from qbrix.policies.base import Capabilities
from qbrix.types import Array, BoolArray, IntArray

__all__ = ["LinTSPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinTSPolicy(LinearPolicy):
    r"""Choose each arm with the posterior probability that its expected reward is the largest.

    .. math::

        p_a = P\bigl(s_a > \max_{b \ne a} s_b\bigr), \qquad
        s_a \sim \mathcal N\bigl(x^\top \hat\theta_a,\; v^2\, x^\top A_a^{-1} x\bigr), \quad
        A_a = \lambda I + \sum x x^\top, \quad \hat\theta_a = A_a^{-1} \sum r x

    Every arm has coefficients of its own (disjoint arms), so the scores of one context are
    independent and the probability is a one-dimensional integral. Drawing :math:`\theta_a` and
    multiplying by x would give the same law at a much higher price.

    Parameters
    ----------
    v : float > 0, default 1
        Scale of the posterior's width; :math:`\sigma \sqrt{9 d \ln(T/\delta)}` in the theorem,
        in practice the standard deviation of the noise or less.
    prior_precision : float > 0, default 1
        :math:`\lambda`, 1 in the paper.

    Examples
    --------
    >>> policy = LinTSPolicy(v=0.5)
    >>> prepared = policy.prepare(policy.init(n_arms=2, dim=3))
    >>> policy.propensities(prepared, np.array([1.0, 0.2, 0.4])).round(9)
    array([0.5, 0.5])

    Notes
    -----
    With the v of the theorem, regret is :math:`O(d^{3/2} \sqrt{T} \ln T)` up to logarithms.
    *Applies when* the expected reward of every arm is linear in the context, noise is sub-Gaussian
    and contexts are bounded. It goes on exploring between two updates: batches and delay suit it.

    References
    ----------
    Agrawal and Goyal (2013), *Thompson Sampling for Contextual Bandits with Linear Payoffs*,
    Algorithm 1 and Theorem 1. Chapelle and Li (2011), *An Empirical Evaluation of Thompson
    Sampling*, section 4 (delay).
    """

    v: float = param(1.0, gt=0, doc="scale of the posterior's width")
    prior_precision: float = param(1.0, gt=0, doc="precision of the prior of every coefficient")

    capabilities = Capabilities(
        context=True,
        reward="continuous",
        order_free=True,
        propensity="quadrature",
        category="contextual",
        propensities_cost="K d^2",
        update_cost="d^2",
    )

    def propensities(
        self, prepared: Ridge, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Posterior probability of being the best arm, shape (..., K)."""
        mean, width = self.estimate(prepared, context)
        return gaussian_best_arm(mean, self.v * width, mask=mask)

    def sample(
        self,
        prepared: Ridge,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm with the largest draw of its score, one per leading index."""
        mean, width = self.estimate(prepared, context)
        return pick(mean + self.v * width * rng.standard_normal(mean.shape), mask=mask, rng=rng)

    def play(
        self,
        prepared: Ridge,
        state: Moments,
        rewards: Array,
        *,
        contexts: Array | None = None,
        rng: np.random.Generator,
    ) -> tuple[IntArray, Ridge]:
        """A block of rounds, compiled."""
        arms = played(prepared, state, rewards, contexts, width=self.v, thompson=True, rng=rng)
        return arms, prepared
