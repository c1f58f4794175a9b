"""Thompson sampling for counts with Gamma posteriors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards, allowed
from qbrix.policies._gamma_best_arm import gamma_best_arm
from qbrix.policies._index import SumPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array, BoolArray, IntArray

__all__ = ["GammaPoissonTSPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GammaPoissonTSPolicy(SumPolicy[Rewards, Rewards]):
    r"""Choose each arm with its posterior probability of having the largest rate.

    .. math::

        p_a = P\bigl(\theta_a > \max_{b \ne a} \theta_b\bigr), \qquad
        \theta_a \sim \mathrm{Gamma}(\alpha + S_a, \; \beta + N_a)

    :math:`S_a` is the sum of the :math:`N_a` counts of the arm, the second parameter a rate. Made
    for counts, it learns from any number: a sum below 0 says what a sum of 0 says.

    Parameters
    ----------
    shape_prior : float > 0, default 1
        :math:`\alpha`, prior sum of counts.
    rate_prior : float > 0, default 1
        :math:`\beta`, prior observations; the prior mean is :math:`\alpha / \beta`.

    Examples
    --------
    >>> policy = GammaPoissonTSPolicy()
    >>> state = Rewards(pulls=np.array([0.0, 2.0]), total_reward=np.array([0.0, 0.0]))
    >>> policy.propensities(state).round(9)
    array([0.75, 0.25])

    Notes
    -----
    For Poisson rewards :math:`R_T / \ln T` tends to the best constant. *Applies when* rewards of an
    arm are independent counts with a fixed mean and no more spread than Poisson counts have; the
    prior should allow the largest mean. Delay and batches cost it little: waiting for feedback it
    goes on drawing from its posterior.

    References
    ----------
    Korda, Kaufmann and Munos (2013), *Thompson Sampling for 1-Dimensional Exponential Family
    Bandits*, Theorem 1. Chapelle and Li (2011), *An Empirical Evaluation of Thompson Sampling*,
    section 4 (delay).
    """

    shape_prior: float = param(1.0, gt=0, doc="prior sum of counts")
    rate_prior: float = param(1.0, gt=0, doc="prior observations")

    state_type = Rewards
    capabilities = Capabilities(reward="nonnegative", order_free=True, propensity="quadrature")

    def propensities(
        self, prepared: Rewards, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Posterior probability of being the best arm, shape (..., K)."""
        return gamma_best_arm(*self._posterior(prepared), mask=mask)

    def sample(
        self,
        prepared: Rewards,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm with the largest draw from its posterior, one per leading index."""
        shape, rate = self._posterior(prepared)
        best: IntArray = allowed(rng.standard_gamma(shape) / rate, mask).argmax(-1)
        return best

    def _posterior(self, state: Rewards) -> tuple[Array, Array]:
        """Shape and rate, (..., K) each."""
        total = np.maximum(state.total_reward, 0.0)
        return self.shape_prior + total, self.rate_prior + state.pulls
