"""SquareCB: inverse gap weighting over a ridge regression per arm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import allowed, tied
from qbrix.policies._linear import LinearPolicy, Moments, Ridge
from qbrix.policies.base import Capabilities
from qbrix.types import Array, BoolArray, Interactions

__all__ = ["SquareCBPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steep(Ridge):
    """The regressions, and how steeply the law falls with the gap, shape (...)."""

    steepness: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class SquareCBPolicy(LinearPolicy):
    r"""Choose an arm the more rarely, the further its expected reward is below the best one.

    .. math::

        p_a = \frac{1}{K + \gamma_t \, (\hat r_b - \hat r_a)} \quad (a \ne b), \qquad
        p_b = 1 - \sum_{a \ne b} p_a, \qquad \gamma_t = \gamma_0 \, t^{\rho}

    with :math:`\hat r_a = x^\top \hat\theta_a` from a ridge regression per arm, b the arm of the
    largest one, K the number of allowed arms and t the round that is being played: observations so
    far, plus one. Best arms that tie share what the others leave evenly, which is the average over
    the choice of b.

    Parameters
    ----------
    gamma_scale : float > 0, default 10
        :math:`\gamma_0`. Theorem 1 has :math:`\gamma = \sqrt{K T / (R_{\mathrm{Sq}} + \ln
        (2/\delta))}` for a known horizon and an oracle of regret :math:`R_{\mathrm{Sq}}`, of the
        order :math:`d \ln T` for linear functions.
    gamma_exponent : float in [0, 1], default 0.5
        :math:`\rho`; ½ follows the theorem when the horizon is unknown, 0 keeps γ constant.
    prior_precision : float > 0, default 1
        :math:`\lambda` of the ridge.

    Examples
    --------
    >>> policy = SquareCBPolicy(gamma_scale=8.0, gamma_exponent=0.0)
    >>> sums = {"precision": np.zeros((2, 1)), "moment": np.array([[0.0], [0.25]])}
    >>> prepared = policy.prepare(policy.state_type(**sums, pulls=np.array([0.0, 1.0])))
    >>> policy.propensities(prepared, np.array([1.0]))
    array([0.25, 0.75])

    Notes
    -----
    Regret is :math:`O(\sqrt{K T \, R_{\mathrm{Sq}}})`. *Applies when* the expected reward of every
    arm is in the class, here linear in the context, and differences of rewards are of order 1: γ
    counts in their unit. No propensity falls below :math:`1 / (K + \gamma_t \Delta)`, so the log
    supports every arm. Between two updates it goes on exploring; delay keeps the gaps stale.

    References
    ----------
    Foster and Rakhlin (2020), *Beyond UCB: Optimal and Efficient Contextual Bandits with Regression
    Oracles*, Algorithm 1 and Theorem 1. Abe and Long (1999), *Associative Reinforcement Learning
    Using Linear Probabilistic Concepts*, for the weighting.
    """

    gamma_scale: float = param(10.0, gt=0, doc="steepness of the law in round 1")
    gamma_exponent: float = param(0.5, gte=0, lte=1, doc="how the steepness grows with the round")
    prior_precision: float = param(1.0, gt=0, doc="precision of the prior of every coefficient")

    capabilities = Capabilities(
        context=True,
        reward="continuous",
        order_free=True,
        propensity="closed",
        category="contextual",
        propensities_cost="K d",
        update_cost="d^2",
    )

    def prepare(self, state: Moments) -> Steep:
        """Factorise every arm's matrix once, and look at the round."""
        return self._steep(LinearPolicy.prepare(self, state), state)

    def advance(self, prepared: Ridge, state: Moments, batch: Interactions) -> Steep:
        """Follow a few rows by the Sherman–Morrison formula."""
        return self._steep(LinearPolicy.advance(self, prepared, state, batch), state)

    def propensities(
        self, prepared: Ridge, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        assert isinstance(prepared, Steep)
        expected = allowed(self.expected(prepared, context), mask)
        largest = expected.max(-1)
        best = tied(expected, largest)
        n_arms = np.isfinite(expected).sum(-1, keepdims=True)
        gap = np.where(best, 0.0, largest[..., None] - expected)
        worse = np.where(best, 0.0, 1.0 / (n_arms + prepared.steepness[..., None] * gap))
        left = 1.0 - worse.sum(-1, keepdims=True)
        law: Array = np.where(best, left / best.sum(-1, keepdims=True), worse)
        return law

    def _steep(self, ridge: Ridge, state: Moments) -> Steep:
        t = state.pulls.sum(-1) + 1.0
        return Steep(
            coefficients=ridge.coefficients,
            inverse=ridge.inverse,
            steepness=np.asarray(self.gamma_scale * t**self.gamma_exponent),
        )
