"""Logistic Thompson sampling with disjoint arms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import pick
from qbrix.policies._gaussian_best_arm import gaussian_best_arm
from qbrix.policies._linear import Ridge
from qbrix.policies._logistic import Laplace, LogisticPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array, BoolArray, IntArray

__all__ = ["LogisticTSPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LogisticTSPolicy(LogisticPolicy[Laplace, Ridge]):
    r"""Choose each arm with the posterior probability that it has the largest chance of a reward.

    .. math::

        p_a = P\bigl(s_a > \max_{b \ne a} s_b\bigr), \qquad
        s_a \sim \mathcal N\bigl(x^\top \hat\theta_a,\; x^\top H_a^{-1} x\bigr), \quad
        H_a = \lambda I + \sum \sigma'(x^\top \hat\theta_a)\, x x^\top

    :math:`\hat\theta_a` maximises the arm's likelihood
    :math:`\prod \sigma(x^\top\theta)^r (1 - \sigma(x^\top\theta))^{1-r}` times the prior
    :math:`e^{-\lambda |\theta|^2 / 2}`, and the posterior is taken as the normal law that fits
    there (Laplace). The chance of a reward grows with the score, so the scores race; with disjoint
    arms they are independent and the probability is a one-dimensional integral.

    Parameters
    ----------
    lambda_ : float > 0, default 1
        Precision of the prior of every coefficient.
    lr : float in (0, 1], default 0.1
        Share of a Newton step towards :math:`\hat\theta_a` by which the state's coefficients move
        at each observation; from 64 features on they move as much at once for several. Decisions
        are made at :math:`\hat\theta_a` itself: ``lr`` decides where observations are expanded
        when they leave the window, and that is all.
    window : int >= 1, default 32
        Observations per arm that are kept as they are: up to so many, :math:`\hat\theta_a` is
        exact. Another number needs a reset.

    Examples
    --------
    >>> policy = LogisticTSPolicy(lambda_=2.0)
    >>> prepared = policy.prepare(policy.init(n_arms=2, dim=3))
    >>> policy.propensities(prepared, np.array([1.0, 0.2, 0.4])).round(9)
    array([0.5, 0.5])

    Notes
    -----
    Beyond the window, older observations count by their second-order expansion, which leaves
    :math:`\hat\theta_a` within a fraction of a posterior standard deviation of the exact maximum.
    Regret of Laplace approximations is not bounded in theory without inflating the variance.
    *Applies when* log-odds are linear in the context; a constant feature must be part of it. It
    goes on exploring between two updates: batches and delay suit it.

    References
    ----------
    Chapelle and Li (2011), *An Empirical Evaluation of Thompson Sampling*, Algorithm 3, which
    keeps only the diagonal of :math:`H_a`.
    """

    lambda_: float = param(1.0, gt=0, doc="precision of the prior of every coefficient")
    lr: float = param(0.1, gt=0, lte=1, doc="share of a Newton step per observation")
    window: int = param(32, gte=1, doc="observations per arm kept as they are", structural=True)

    state_type = Laplace
    capabilities = Capabilities(
        context=True,
        reward="binary",
        propensity="quadrature",
        category="contextual",
        bits="close",
        propensities_cost="K d^2",
        update_cost="w d^2 + d^3",
    )

    def propensities(
        self, prepared: Ridge, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Posterior probability of being the best arm, shape (..., K)."""
        mean, width = self.estimate(prepared, context)
        return gaussian_best_arm(mean, width, mask=mask)

    def sample(
        self,
        prepared: Ridge,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm with the largest draw of its log-odds, one per leading index."""
        mean, width = self.estimate(prepared, context)
        return pick(mean + width * rng.standard_normal(mean.shape), mask=mask, rng=rng)
