"""Linear Thompson sampling with disjoint arms whose noise is unknown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Cells, pick
from qbrix.policies._linear import LinearPolicy, Moments, Ridge
from qbrix.policies._student_best_arm import student_best_arm
from qbrix.policies.base import Capabilities
from qbrix.state import array
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["NIGLinTSPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SquaredMoments(Moments):
    """The sums of a regression per arm, and the sum of squared rewards."""

    total_square: Array = array("K")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyRidge(Ridge):
    """The regressions, the noise variance and its degrees of freedom, (..., K) both."""

    variance: Array
    freedom: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class NIGLinTSPolicy(LinearPolicy):
    r"""Choose each arm with its posterior probability of the largest mean, noise unknown.

    .. math::

        s_a \sim t_{2 \alpha_a}\Bigl(x^\top \hat\theta_a,\;
            \frac{\beta_a}{\alpha_a} \, x^\top A_a^{-1} x\Bigr), \qquad
        A_a = \lambda I + \sum x x^\top, \quad \hat\theta_a = A_a^{-1} \sum r x

    .. math::

        \alpha_a = \alpha_0 + \frac{N_a}{2}, \qquad
        \beta_a = \beta_0 + \frac12 \Bigl(\sum r^2 - \hat\theta_a^\top A_a \hat\theta_a\Bigr)

    Coefficients and noise variance of every arm have a normal-inverse-gamma posterior of their own,
    so the scores of one context are independent Student variables. Sums run over the
    :math:`N_a` observations of arm a.

    Parameters
    ----------
    prior_precision : float > 0, default 1
        :math:`\lambda`, precision of the coefficients in units of the noise.
    prior_shape : float >= 1, default 1
        :math:`\alpha_0`: the prior variance is worth :math:`2 \alpha_0` observations; 6 in the
        experiments of the reference.
    prior_scale : float > 0, default 1
        :math:`\beta_0`: the prior variance is about :math:`\beta_0 / \alpha_0`.

    Examples
    --------
    >>> policy = NIGLinTSPolicy(prior_shape=6.0, prior_scale=6.0)
    >>> prepared = policy.prepare(policy.init(n_arms=4, dim=3))
    >>> policy.propensities(prepared, np.array([1.0, 0.2, 0.4])).round(9)
    array([0.25, 0.25, 0.25, 0.25])

    Notes
    -----
    It needs no v: the width of the posterior follows the noise that each arm shows. *Applies when*
    the expected reward of every arm is linear in the context and noise is about Gaussian, with a
    variance per arm. Squares are summed about 0: rewards with a mean of a million standard
    deviations should be shifted. No regret bound is known; delay and batches suit it, since it goes
    on exploring between two updates.

    References
    ----------
    Riquelme, Tucker and Snoek (2018), *Deep Bayesian Bandits Showdown*, linear methods. Murphy
    (2012), *Machine Learning: A Probabilistic Perspective*, section 7.6.3, for the posterior.
    """

    prior_precision: float = param(1.0, gt=0, doc="precision of the prior of every coefficient")
    prior_shape: float = param(1.0, gte=1, doc="half the observations the prior variance is worth")
    prior_scale: float = param(1.0, gt=0, doc="prior variance times prior_shape")

    state_type = SquaredMoments
    capabilities = Capabilities(
        context=True,
        reward="continuous",
        order_free=True,
        propensity="quadrature",
        category="contextual",
        propensities_cost="K d^2",
        update_cost="d^2",
    )

    def prepare(self, state: Moments) -> NoisyRidge:
        """Factorise every arm's matrix once."""
        return self._noisy(LinearPolicy.prepare(self, state), state)

    def advance(self, prepared: Ridge, state: Moments, batch: Interactions) -> NoisyRidge:
        """Follow a few rows by the Sherman–Morrison formula."""
        return self._noisy(LinearPolicy.advance(self, prepared, state, batch), state)

    def update_in_place(self, state: Moments, batch: Interactions) -> None:
        """Add x xᵀ, r x, 1 and r²."""
        assert isinstance(state, SquaredMoments)
        LinearPolicy.update_in_place(self, state, batch)
        cells = Cells.of(batch, state.pulls.shape[-1])
        rewards = cells.column(batch.rewards)
        cells.add(state.total_square, rewards * rewards)

    def propensities(
        self, prepared: Ridge, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Posterior probability of being the best arm, shape (..., K)."""
        return student_best_arm(*self._posterior(prepared, context), mask=mask)

    def sample(
        self,
        prepared: Ridge,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm with the largest draw of its score, one per leading index."""
        mean, scale, freedom = self._posterior(prepared, context)
        return pick(mean + scale * rng.standard_t(freedom, mean.shape), mask=mask, rng=rng)

    def _posterior(self, prepared: Ridge, context: Array | None) -> tuple[Array, Array, Array]:
        """Location, scale and degrees of freedom of every arm's score, (..., K) each."""
        assert isinstance(prepared, NoisyRidge)
        mean, width = self.estimate(prepared, context)
        return mean, width * np.sqrt(prepared.variance), prepared.freedom

    def _noisy(self, ridge: Ridge, state: Moments) -> NoisyRidge:
        assert isinstance(state, SquaredMoments)
        explained = np.vecdot(ridge.coefficients, state.moment)
        beta = self.prior_scale + 0.5 * np.maximum(state.total_square - explained, 0.0)
        alpha = self.prior_shape + 0.5 * state.pulls
        return NoisyRidge(
            coefficients=ridge.coefficients,
            inverse=ridge.inverse,
            variance=beta / alpha,
            freedom=2.0 * alpha,
        )
