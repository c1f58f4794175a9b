"""Thompson sampling for rewards on k levels with Dirichlet posteriors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Cells, pick
from qbrix.policies._points import POINTS, atoms_best_arm, points
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import State, array, zeros
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["DirichletTSPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Levels(State):
    """How often each arm paid each level."""

    counts: Array = array("K", "levels")


@dataclass(frozen=True, kw_only=True, slots=True)
class DirichletTSPolicy(Policy[Levels, Levels]):
    r"""Choose each arm with its posterior probability of having the largest mean over k levels.

    .. math::

        \theta_a = \sum_{j=0}^{k-1} \frac{j}{k-1} w_{a,j}, \qquad
        w_a \sim \mathrm{Dirichlet}(\alpha + n_{a,0}, \dots, \alpha + n_{a,k-1})

    A reward on a level counts 1 there; one between two levels is split between them so that its
    mean stays (k = 2 is Thompson sampling with Beta posteriors). The posterior of every arm stands
    in 1024 fixed points, and the probabilities are those of a race between them.

    Parameters
    ----------
    k : int > 1
        Number of levels, equally spaced from 0 to 1; a rating of 1 to 5 stars has 5.
    concentration_prior : float > 0, default 1
        :math:`\alpha`, prior count of every level; 1 is uniform, as in the reference.

    Examples
    --------
    >>> policy = DirichletTSPolicy(k=5)
    >>> state = policy.init(n_arms=4)
    >>> policy.propensities(state)
    array([0.25, 0.25, 0.25, 0.25])

    Notes
    -----
    For rewards on the levels, :math:`R_T / \ln T` tends to the best constant that any policy can
    reach for laws on those levels. *Applies when* rewards of an arm are independent in [0, 1] with
    a fixed law. Where the spread is smaller than that of a coin it explores less than Beta
    posteriors do. The points err by a few thousandths. Delay and batches cost it little: waiting
    for feedback it goes on drawing from its posterior.

    References
    ----------
    Riou and Honda (2020), *Bandit Algorithms Based on Thompson Sampling for Bounded Reward
    Distributions*, Algorithm 1 (Multinomial TS) and its theorem.
    """

    k: int = param(gt=1, doc="number of reward levels from 0 to 1", structural=True)
    concentration_prior: float = param(1.0, gt=0, doc="prior count of every level")

    state_type = Levels
    capabilities = Capabilities(
        order_free=True, propensity="points", reward_types=("bounded",), propensities_cost="K M k"
    )

    def init(self, *, n_arms: int, dim: int = 0) -> Levels:
        """Nothing counted."""
        return zeros(Levels, K=n_arms, levels=self.k)

    def propensities(
        self, prepared: Levels, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Posterior probability of being the best arm, shape (..., K)."""
        atoms = _atoms(self.concentration_prior + prepared.counts)
        return atoms_best_arm(atoms, np.full(1, 1.0 / POINTS), mask=mask)

    def update_in_place(self, state: Levels, batch: Interactions) -> None:
        """Split every reward between the levels next to it."""
        top = self.k - 1
        cells = Cells.of(batch, state.counts.shape[-2])
        position = cells.column(batch.rewards) * top
        lower = np.minimum(position.astype(np.int64), top - 1)
        part = position - lower
        flat = state.counts.reshape(-1, copy=False)
        np.add.at(flat, cells.index * self.k + lower, 1.0 - part)
        np.add.at(flat, cells.index * self.k + lower + 1, part)

    def merge(self, a: Levels, b: Levels) -> Levels:
        """Counts add."""
        return Levels(counts=a.counts + b.counts)

    def sample(
        self,
        prepared: Levels,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm with the largest of one point each, one per leading index."""
        counts = prepared.counts
        chosen = points(self.k)[rng.integers(POINTS, size=counts.shape[:-1])]
        return pick(_means(self.concentration_prior + counts, chosen), mask=mask, rng=rng)


def _atoms(concentration: Array) -> Array:
    """Mean at each of the M points, (..., k) to (..., M); equal counts are computed once."""
    from scipy.special import gammaincinv

    top = concentration.shape[-1] - 1
    total, weighted = np.zeros((2, *concentration.shape[:-1], POINTS))
    for level, uniforms in enumerate(points(top + 1).T):
        distinct, which = np.unique(concentration[..., level], return_inverse=True)
        parts = gammaincinv(distinct[:, None], uniforms)[which.reshape(total.shape[:-1])]
        total += parts
        weighted += parts * (level / top)
    means: Array = weighted / np.maximum(total, 1e-300)
    return means


def _means(concentration: Array, uniforms: Array) -> Array:
    """Mean reward of Dirichlet weights, (..., k) to (...): normalised Gamma quantiles."""
    from scipy.special import gammaincinv

    parts = gammaincinv(concentration, uniforms)
    levels = np.arange(parts.shape[-1]) / (parts.shape[-1] - 1)
    total = np.maximum(parts.sum(-1), 1e-300)
    means: Array = (parts * levels).sum(-1) / total
    return means
