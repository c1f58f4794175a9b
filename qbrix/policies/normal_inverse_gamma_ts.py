"""Thompson sampling for Gaussian rewards of unknown variance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import pick
from qbrix.policies._index import Squares, SumPolicy
from qbrix.policies._points import POINTS, atoms_best_arm
from qbrix.policies.base import Capabilities
from qbrix.types import Array, BoolArray, IntArray

__all__ = ["NormalInverseGammaTSPolicy"]

_FURTHEST = 32.0
"""Log-odds of the outermost quantile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NormalInverseGammaTSPolicy(SumPolicy[Squares, Squares]):
    r"""Choose each arm with its posterior probability of the largest mean, variance unknown.

    .. math::

        \theta_a \sim t_{2 \alpha}\Bigl(m, \frac{\beta}{\alpha \kappa}\Bigr), \quad
        \kappa = \kappa_0 + N_a, \quad m = \frac{\kappa_0 \mu_0 + S_a}{\kappa}, \quad
        \alpha = \alpha_0 + \frac{N_a}{2}

    .. math::

        \beta = \beta_0 + \frac12 \sum (r - \hat\mu_a)^2
            + \frac{\kappa_0 N_a (\hat\mu_a - \mu_0)^2}{2 \kappa}

    The mean of an arm has a Student t posterior, which stands in 1024 fixed quantiles, dense in the
    middle and reaching into tails of 1e-14; probabilities are those of a race between them.

    Parameters
    ----------
    prior_mean : float, default 0
        :math:`\mu_0`, expected reward before anything is seen.
    prior_pulls : float > 0, default 1
        :math:`\kappa_0`, how many observations the prior mean is worth.
    prior_shape, prior_scale : float > 0, default 1
        :math:`\alpha_0` and :math:`\beta_0` of the variance, about
        :math:`\beta_0 / \alpha_0`, worth :math:`2 \alpha_0` observations.

    Examples
    --------
    >>> policy = NormalInverseGammaTSPolicy()
    >>> policy.propensities(policy.init(n_arms=4))
    array([0.25, 0.25, 0.25, 0.25])

    Notes
    -----
    *Applies when* rewards of an arm are independent and about Gaussian, with mean and variance of
    their own. The proper prior matters: with Jeffreys' improper one the regret is polynomial,
    because a few equal rewards make the posterior believe in no variance. Squares are summed about
    0: rewards with a mean of a million standard deviations should be shifted. Delay and batches
    cost it little: waiting for feedback it goes on drawing from its posterior.

    References
    ----------
    Honda and Takemura (2014), *Optimality of Thompson Sampling for Gaussian Bandits Depends on
    Priors*, Theorems 1 and 2. Murphy (2007), *Conjugate Bayesian Analysis of the Gaussian
    Distribution*, section 6, for the posterior.
    """

    prior_mean: float = param(0.0, doc="expected reward before anything is seen")
    prior_pulls: float = param(1.0, gt=0, doc="observations that the prior mean is worth")
    prior_shape: float = param(1.0, gt=0, doc="half the observations the prior variance is worth")
    prior_scale: float = param(1.0, gt=0, doc="prior variance times prior_shape")

    state_type = Squares
    capabilities = Capabilities(
        reward="continuous", order_free=True, propensity="points", propensities_cost="K M"
    )

    def propensities(
        self, prepared: Squares, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Posterior probability of being the best arm, shape (..., K)."""
        lower, weights = _quantiles()
        mean, scale, freedom = self._posterior(prepared)
        distinct, which = np.unique(freedom, return_inverse=True)
        unit = _student(distinct[:, None], lower[: POINTS // 2])
        half = scale[..., None] * unit[which.reshape(freedom.shape)]
        atoms = mean[..., None] + np.concatenate([half, -half[..., ::-1]], axis=-1)
        return atoms_best_arm(atoms, weights, mask=mask)

    def sample(
        self,
        prepared: Squares,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm with the largest of one quantile each, one per leading index."""
        lower, weights = _quantiles()
        mean, scale, freedom = self._posterior(prepared)
        upper_edges = weights.cumsum()
        u = rng.random(mean.shape) * upper_edges[-1]
        cell = np.minimum(np.searchsorted(upper_edges, u, side="right"), POINTS - 1)
        mirrored = cell >= POINTS // 2
        distance = _student(freedom, lower[np.where(mirrored, POINTS - 1 - cell, cell)])
        draws = mean + scale * np.where(mirrored, -distance, distance)
        return pick(draws, mask=mask, rng=rng)

    def _posterior(self, state: Squares) -> tuple[Array, Array, Array]:
        """Location, scale and degrees of freedom of every arm's mean, (..., K) each."""
        pulls = state.pulls
        worth = self.prior_pulls + pulls
        mean_reward = state.total_reward / np.maximum(pulls, 1.0)
        around = np.maximum(state.total_square - state.total_reward * mean_reward, 0.0)
        moved = mean_reward - self.prior_mean
        shape = self.prior_shape + 0.5 * pulls
        beta = self.prior_scale + 0.5 * (around + self.prior_pulls * pulls / worth * moved * moved)
        location = (self.prior_pulls * self.prior_mean + state.total_reward) / worth
        return location, np.sqrt(beta / (shape * worth)), 2.0 * shape


@lru_cache(maxsize=1)
def _quantiles() -> tuple[Array, Array]:
    """Probabilities of the lower quantiles and weights of the cells, (M,) each, read-only.

    Cells are even in s, where the log-odds are proportional to sinh 3s.
    """

    def odds(s: Array) -> Array:
        ratio: Array = np.exp(_FURTHEST * np.sinh(3.0 * s) / np.sinh(3.0))
        return ratio

    edges, middles = (np.arange(POINTS + 1) * 2 - POINTS) / POINTS, np.arange(POINTS) * 2 + 1
    below = odds(edges) / (1.0 + odds(edges))
    weights = np.diff(below[: POINTS // 2 + 1])
    weights[0] += below[0]
    inside = odds((middles - POINTS) / POINTS)
    found = inside / (1.0 + inside), np.concatenate([weights, weights[::-1]])
    for array in found:
        array.flags.writeable = False
    return found


def _student(freedom: Array, probability: Array) -> Array:
    """Quantiles of Student's t."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(freedom, probability), dtype=np.float64)
