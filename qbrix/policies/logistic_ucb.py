"""Logistic UCB with disjoint arms."""

from __future__ import annotations

from dataclasses import dataclass

from qbrix.checks import param
from qbrix.policies._best_index import BestIndex
from qbrix.policies._linear import Ridge
from qbrix.policies._logistic import Laplace, LogisticPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array

__all__ = ["LogisticUCBPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LogisticUCBPolicy(BestIndex[Laplace, Ridge], LogisticPolicy[Laplace, Ridge]):
    r"""Choose the arm whose log-odds could be the largest, by a logistic regression per arm.

    .. math::

        U_a = x^\top \hat\theta_a + \alpha \sqrt{x^\top H_a^{-1} x}, \qquad
        H_a = \lambda I + \sum \sigma'(x^\top \hat\theta_a)\, x x^\top

    :math:`\hat\theta_a` maximises the arm's penalised likelihood, :math:`H_a` is the curvature
    there: the bound is wide where rewards are nearly certain and each of them tells little, which
    `GLMUCBPolicy` does not see. Indices that tie share evenly.

    Parameters
    ----------
    alpha : float >= 0, default 1.5
        Width of the bound, in posterior standard deviations.
    lambda_ : float > 0, default 1
        Precision of the prior of every coefficient.
    lr : float in (0, 1], default 0.1
        Share of a Newton step towards :math:`\hat\theta_a` by which the state's coefficients move
        at each observation; decisions are made at :math:`\hat\theta_a` itself.
    window : int >= 1, default 32
        Observations per arm that are kept as they are: up to so many, :math:`\hat\theta_a` is
        exact. Another number needs a reset.

    Examples
    --------
    >>> import numpy as np
    >>> policy = LogisticUCBPolicy(alpha=1.0)
    >>> prepared = policy.prepare(policy.init(n_arms=2, dim=3))
    >>> policy.propensities(prepared, np.array([1.0, 0.2, 0.4]))
    array([0.5, 0.5])

    Notes
    -----
    With the width of the paper, regret is :math:`O(d \sqrt{T \dot\mu_*} \ln T)`, where
    :math:`\dot\mu_*` is the variance of the best arm's reward: small for rare rewards. *Applies
    when* log-odds are linear in the context; a constant feature must be part of it. Between two
    updates it answers equal contexts equally, so batches and delay repeat its mistakes.

    References
    ----------
    Faury, Abeille, Calauzènes and Fercoq (2020), *Improved Optimistic Algorithms for Logistic
    Bandits*, Algorithm 2. Abeille, Faury and Calauzènes (2021), *Instance-Wise Minimax-Optimal
    Algorithms for Logistic Bandits*, Theorem 1.
    """

    alpha: float = param(1.5, gte=0, doc="width of the bound in posterior standard deviations")
    lambda_: float = param(1.0, gt=0, doc="precision of the prior of every coefficient")
    lr: float = param(0.1, gt=0, lte=1, doc="share of a Newton step per observation")
    window: int = param(32, gte=1, doc="observations per arm kept as they are", structural=True)

    state_type = Laplace
    capabilities = Capabilities(
        context=True,
        reward="binary",
        propensity="one-hot",
        category="contextual",
        bits="close",
        propensities_cost="K d^2",
        update_cost="w d^2 + d^3",
    )

    def indices(self, prepared: Ridge, context: Array | None) -> Array:
        """Upper end of the linear predictor, shape (..., K)."""
        mean, width = self.estimate(prepared, context)
        return mean + self.alpha * width
