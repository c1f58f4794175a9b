"""LinUCB with disjoint arms."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from qbrix.checks import param
from qbrix.policies._best_index import BestIndex
from qbrix.policies._counts import sole
from qbrix.policies._linear import LinearPolicy, Moments, Ridge, estimate_one, played
from qbrix.policies.base import Capabilities
from qbrix.types import Array, IntArray

__all__ = ["LinUCBPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinUCBPolicy(BestIndex[Moments, Ridge], LinearPolicy):
    r"""Choose the arm whose expected reward could be the largest, by a ridge regression per arm.

    .. math::

        U_a = x^\top \hat\theta_a + \alpha \sqrt{x^\top A_a^{-1} x}, \qquad
        A_a = \lambda I + \sum x x^\top, \quad \hat\theta_a = A_a^{-1} \sum r x

    Sums run over the observations of arm a. Indices that tie share evenly; without a single
    observation they all do. A constant feature must be part of the context where it is wanted.

    Parameters
    ----------
    alpha : float >= 0, default 1.5
        Width of the confidence interval; :math:`1 + \sqrt{\ln(2/\delta)/2}` for confidence
        :math:`1 - \delta`, in practice smaller is often better.
    prior_precision : float > 0, default 1
        :math:`\lambda`, 1 in the paper.

    Examples
    --------
    >>> policy = LinUCBPolicy(alpha=1.0)
    >>> prepared = policy.prepare(policy.init(n_arms=2, dim=3))
    >>> policy.propensities(prepared, np.array([1.0, 0.2, 0.4]))
    array([0.5, 0.5])

    Notes
    -----
    The analysed relative (SupLinUCB) has regret :math:`O(\sqrt{T d \ln^3(K T \ln T)})`; LinUCB
    itself is close to it in practice. *Applies when* the expected reward of every arm is linear in
    the context, noise is sub-Gaussian and contexts are bounded. Between two updates it answers
    equal contexts equally, so batches and delay repeat its mistakes; varied contexts soften that.

    References
    ----------
    Li, Chu, Langford and Schapire (2010), *A Contextual-Bandit Approach to Personalized News
    Article Recommendation*, Algorithm 1. Chu, Li, Reyzin and Schapire (2011), *Contextual Bandits
    with Linear Payoff Functions*, Theorem 1.
    """

    alpha: float = param(1.5, gte=0, doc="width of the confidence interval")
    prior_precision: float = param(1.0, gt=0, doc="precision of the prior of every coefficient")

    capabilities = Capabilities(
        context=True,
        reward="continuous",
        order_free=True,
        propensity="one-hot",
        category="contextual",
        propensities_cost="K d^2",
        update_cost="d^2",
    )

    def certain(self, prepared: Ridge, context: Array | None = None) -> int | None:
        """The arm of the largest index, where no other ties with it."""
        estimate = estimate_one(prepared, context)
        if estimate is None:
            return None
        alpha = self.alpha
        return sole(
            [
                mean + alpha * sqrt(square) if square > 0.0 else mean
                for mean, square in zip(*estimate, strict=True)
            ]
        )

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
        arms = played(prepared, state, rewards, contexts, width=self.alpha, thompson=False, rng=rng)
        return arms, prepared

    def indices(self, prepared: Ridge, context: Array | None) -> Array:
        """Expected reward plus α widths, shape (..., K)."""
        mean, width = self.estimate(prepared, context)
        width *= self.alpha
        width += mean
        return width
