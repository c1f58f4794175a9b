"""Thompson sampling for Gaussian rewards of known variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards, allowed
from qbrix.policies._gaussian_best_arm import gaussian_best_arm
from qbrix.policies._index import SumPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array, BoolArray, IntArray

__all__ = ["GaussianTSPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GaussianTSPolicy(SumPolicy[Rewards, Rewards]):
    r"""Choose each arm with its posterior probability of having the largest mean.

    .. math::

        \theta_a \sim \mathcal{N}\Bigl(
            \frac{\lambda_0 \mu_0 + \lambda S_a}{\lambda_0 + \lambda N_a},\;
            \frac{1}{\lambda_0 + \lambda N_a} \Bigr)

    :math:`S_a` is the sum of the :math:`N_a` rewards of the arm.

    Parameters
    ----------
    prior_mean : float, default 0
        :math:`\mu_0`, expected reward before anything is seen.
    prior_precision : float > 0, default 1
        :math:`\lambda_0`, one over the variance of that expectation.
    noise_precision : float > 0, default 1
        :math:`\lambda`, one over the variance of a reward around its mean. With (0, 1, 1) this is
        the reference's Algorithm 2.

    Examples
    --------
    >>> policy = GaussianTSPolicy()
    >>> state = Rewards(pulls=np.array([1.0, 1.0]), total_reward=np.array([2.0, 2.0]))
    >>> policy.propensities(state)
    array([0.5, 0.5])

    Notes
    -----
    Regret :math:`O(\sqrt{K T \ln K})` for rewards in [0, 1] and (0, 1, 1), and logarithmic on fixed
    arms. *Applies when* rewards of an arm are independent with a fixed mean and a spread no larger
    than the noise that is declared; a smaller noise than the true one may settle on a wrong arm.
    Delay and batches cost it little: waiting for feedback it goes on drawing from its posterior.

    References
    ----------
    Agrawal and Goyal (2017), *Near-Optimal Regret Bounds for Thompson Sampling*, Algorithm 2 and
    Theorem 1.3. Chapelle and Li (2011), *An Empirical Evaluation of Thompson Sampling*, section 4
    (delay).
    """

    prior_mean: float = param(0.0, doc="expected reward before anything is seen")
    prior_precision: float = param(1.0, gt=0, doc="one over the variance of the prior mean")
    noise_precision: float = param(1.0, gt=0, doc="one over the variance of a reward")

    state_type = Rewards
    capabilities = Capabilities(
        reward="continuous",
        reward_types=("continuous",),
        order_free=True,
        propensity="quadrature",
    )

    def propensities(
        self, prepared: Rewards, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Posterior probability of being the best arm, shape (..., K)."""
        mean, scale = self._posterior(prepared)
        return gaussian_best_arm(mean, scale, mask=mask)

    def sample(
        self,
        prepared: Rewards,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm with the largest draw from its posterior, one per leading index."""
        mean, scale = self._posterior(prepared)
        draws = mean + scale * rng.standard_normal(mean.shape)
        best: IntArray = allowed(draws, mask).argmax(-1)
        return best

    def _posterior(self, state: Rewards) -> tuple[Array, Array]:
        """Mean and standard deviation of every arm's mean, (..., K) each."""
        precision = self.prior_precision + self.noise_precision * state.pulls
        weighted = self.prior_precision * self.prior_mean
        mean = (weighted + self.noise_precision * state.total_reward) / precision
        return mean, 1.0 / np.sqrt(precision)
