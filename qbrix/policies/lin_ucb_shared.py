"""LinUCB with one set of coefficients for all arms, which differ by their features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from qbrix.checks import param
from qbrix.policies._best_index import BestIndex
from qbrix.policies._linear import _pairs, _rows, _square, few_rows
from qbrix.policies._per_arm import PerArmPolicy, parts, side_by_side
from qbrix.policies.base import Capabilities
from qbrix.state import State, array, zeros
from qbrix.types import Array, IntArray, Interactions

__all__ = ["LinUCBSharedPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SharedMoments(State):
    """Sums over all observations; k features an arm, q = k (k + 1) / 2 products x_i x_j, i <= j."""

    precision: Array = array("q")
    moment: Array = array("k")
    pulls: Array = array("K")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedRidge:
    """One regression: coefficients (..., k) and A⁻¹, (..., k, k), and the number of arms."""

    coefficients: Array
    inverse: Array
    n_arms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LinUCBSharedPolicy(
    BestIndex[SharedMoments, SharedRidge], PerArmPolicy[SharedMoments, SharedRidge]
):
    r"""Choose the arm whose expected reward could be the largest, by one regression for all arms.

    .. math::

        U_a = x_a^\top \hat\theta + \alpha \sqrt{x_a^\top A^{-1} x_a}, \qquad
        A = \lambda I + \sum x x^\top, \quad \hat\theta = A^{-1} \sum r x

    Sums run over all observations, with the features of the arm that was chosen. The context is the
    features of all arms side by side, :math:`(x_1, \dots, x_K)`: d = K k numbers for k features an
    arm. Indices that tie share evenly.

    Parameters
    ----------
    alpha : float >= 0, default 1.5
        Width of the confidence interval; :math:`1 + \sqrt{\ln(2/\delta)/2}` for confidence
        :math:`1 - \delta`, in practice smaller is often better.
    prior_precision : float > 0, default 1
        :math:`\lambda`, 1 in the paper.

    Examples
    --------
    >>> policy = LinUCBSharedPolicy(alpha=0.5)
    >>> prepared = policy.prepare(policy.init(n_arms=2, dim=4))
    >>> policy.propensities(prepared, np.array([1.0, 0.0, 1.0, 1.0]))
    array([0., 1.])

    Notes
    -----
    What is learned from one arm holds for all, and for arms never seen: with many arms and few
    features it learns far faster than a regression per arm. *Applies when* one linear function of
    features that describe arm and moment together gives the expected reward of every arm. The
    analysed relative (SupLinUCB) has regret :math:`O(\sqrt{T k \ln^3(K T \ln T)})`. Between two
    updates it answers equal contexts equally, so batches and delay repeat its mistakes.

    References
    ----------
    Chu, Li, Reyzin and Schapire (2011), *Contextual Bandits with Linear Payoff Functions*,
    Algorithm 1 and Theorem 1. Li, Chu, Langford and Schapire (2010), *A Contextual-Bandit Approach
    to Personalized News Article Recommendation*, section 3, for how it relates to disjoint arms.
    """

    alpha: float = param(1.5, gte=0, doc="width of the confidence interval")
    prior_precision: float = param(1.0, gt=0, doc="precision of the prior of every coefficient")

    state_type = SharedMoments
    capabilities = Capabilities(
        context=True,
        reward="continuous",
        order_free=True,
        propensity="one-hot",
        category="contextual",
        propensities_cost="d^2 / K",
        update_cost="(d / K)^2",
    )

    def init(self, *, n_arms: int, dim: int = 0) -> SharedMoments:
        """The state before the first interaction; ``dim`` is a multiple of ``n_arms``."""
        what = "the features of all arms side by side"
        k = parts(dim, n_arms, owner=type(self).__name__, what=what)
        return zeros(SharedMoments, K=n_arms, k=k, q=k * (k + 1) // 2)

    def width(self, sizes: dict[str, int]) -> int:
        """K k."""
        return sizes["K"] * sizes["k"]

    def prepare(self, state: SharedMoments) -> SharedRidge:
        """Factorise the matrix once."""
        k = state.moment.shape[-1]
        matrix = state.precision.take(_square(k), axis=-1) + self.prior_precision * np.eye(k)
        solved = cast(Array, np.linalg.solve(matrix, state.moment[..., None]))
        return SharedRidge(
            coefficients=solved[..., 0],
            inverse=cast(Array, np.linalg.inv(matrix)),
            n_arms=state.pulls.shape[-1],
        )

    def advance(
        self, prepared: SharedRidge, state: SharedMoments, batch: Interactions
    ) -> SharedRidge:
        """Follow a few rows by the Sherman–Morrison formula; many are cheaper anew."""
        k = state.moment.shape[-1]
        if not few_rows(batch, k):
            return self.prepare(state)
        inverse = prepared.inverse.reshape(-1, k, k, copy=False)
        coefficients = prepared.coefficients.reshape(-1, k, copy=False)
        for index, contexts, rewards in _rows(batch, prepared.n_arms):
            row, x = _chosen(index, contexts, prepared.n_arms)
            ahead = (inverse[row] @ x[..., None])[..., 0]
            gain = ahead / (1.0 + np.vecdot(ahead, x))[:, None]
            missed = rewards - np.vecdot(coefficients[row], x)
            inverse[row] -= gain[:, :, None] * ahead[:, None, :]
            coefficients[row] += gain * missed[:, None]
        return prepared

    def update_in_place(self, state: SharedMoments, batch: Interactions) -> None:
        """Add x xᵀ, r x and 1 of the chosen arm, row by row."""
        n_arms, k = state.pulls.shape[-1], state.moment.shape[-1]
        precision = state.precision.reshape(-1, state.precision.shape[-1], copy=False)
        moment = state.moment.reshape(-1, k, copy=False)
        pulls = state.pulls.reshape(-1, copy=False)
        for index, contexts, rewards in _rows(batch, n_arms):
            row, x = _chosen(index, contexts, n_arms)
            precision[row] += _pairs(x, x)
            moment[row] += x * rewards[:, None]
            pulls[index] += 1.0

    def example_rounds(
        self, rng: np.random.Generator, *, n_arms: int, shape: tuple[int, ...]
    ) -> tuple[Array, Array]:
        """Contexts (..., d) and the means (..., K) of arms whose features speak for them."""
        features = rng.standard_normal((*shape, n_arms, 2))
        return features.reshape(*shape, 2 * n_arms), features[..., 0] - 0.5 * features[..., 1]

    def indices(self, prepared: SharedRidge, context: Array | None) -> Array:
        """Expected reward plus α widths, shape (..., K)."""
        k = prepared.coefficients.shape[-1]
        x = side_by_side(context, prepared.n_arms, k, owner=type(self).__name__)
        mean = (x @ prepared.coefficients[..., None])[..., 0]
        square = np.vecdot(x @ prepared.inverse, x)
        index: Array = mean + self.alpha * np.sqrt(np.maximum(square, 0.0))
        return index


def _chosen(index: IntArray, contexts: Array, n_arms: int) -> tuple[IntArray, Array]:
    """Row of the leading axes and features of the chosen arm, from flat arms and contexts."""
    rows, arms = np.divmod(index, n_arms)
    x = contexts.reshape(len(contexts), n_arms, contexts.shape[-1] // n_arms)
    return rows, x[np.arange(len(x)), arms]
