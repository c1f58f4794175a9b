"""GLM-UCB for rewards of 0 and 1, with disjoint arms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from qbrix.checks import check_context, param
from qbrix.policies._best_index import BestIndex
from qbrix.policies._linear import Ridge, _pack, _pairs, _products, _rows, _square
from qbrix.policies._logistic import Laplace, LogisticPolicy, sigmoid
from qbrix.policies.base import Capabilities
from qbrix.state import array
from qbrix.types import Array, Interactions

__all__ = ["GLMUCBPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Designed(Laplace):
    """Together with the sums of x xᵀ, without weights."""

    design: Array = array("K", "p")


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralisedRidge(Ridge):
    """Together with the packed inverses of λI + Σ x xᵀ, (..., K, d (d + 1) / 2)."""

    spread: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class GLMUCBPolicy(
    BestIndex[Designed, GeneralisedRidge], LogisticPolicy[Designed, GeneralisedRidge]
):
    r"""Choose the arm whose chance of a reward could be the largest, by a generalised linear model.

    .. math::

        U_a = \sigma(x^\top \hat\theta_a) + \alpha \sqrt{x^\top M_a^{-1} x}, \qquad
        M_a = \lambda I + \sum x x^\top

    :math:`\hat\theta_a` maximises the arm's penalised likelihood under
    :math:`P(r = 1) = \sigma(x^\top \theta)`. The bonus is one of the rewards, not of the log-odds:
    it is the same for an arm that pays rarely and for one that pays half of the time. Indices that
    tie share evenly.

    Parameters
    ----------
    alpha : float >= 0, default 1.5
        Width of the bound; the paper's grows with :math:`\sqrt{d \ln t \ln(d T / \delta)}` and is
        much wider than what works well.
    lambda_ : float > 0, default 1
        Precision of the prior of every coefficient. The paper has none and begins with d
        independent contexts instead.
    lr : float in (0, 1], default 0.1
        Share of a Newton step towards :math:`\hat\theta_a` by which the state's coefficients move
        at each observation; decisions are made at :math:`\hat\theta_a` itself.
    window : int >= 1, default 32
        Observations per arm that are kept as they are: up to so many, :math:`\hat\theta_a` is
        exact. Another number needs a reset.

    Examples
    --------
    >>> policy = GLMUCBPolicy()
    >>> prepared = policy.prepare(policy.init(n_arms=2, dim=3))
    >>> policy.propensities(prepared, np.array([1.0, 0.2, 0.4]))
    array([0.5, 0.5])

    Notes
    -----
    With the width of the paper, regret is :math:`O(d \sqrt{T} \ln^{3/2} T)` times a factor that is
    large when rewards are rare. *Applies when* log-odds are linear in the context; a constant
    feature must be part of it. Between two updates it answers equal contexts equally, so batches
    and delay repeat its mistakes.

    References
    ----------
    Filippi, Cappé, Garivier and Szepesvári (2010), *Parametric Bandits: The Generalized Linear
    Case*, Algorithm 1 and Theorem 2; there one θ serves all arms, here each has its own.
    """

    alpha: float = param(1.5, gte=0, doc="width of the bound")
    lambda_: float = param(1.0, gt=0, doc="precision of the prior of every coefficient")
    lr: float = param(0.1, gt=0, lte=1, doc="share of a Newton step per observation")
    window: int = param(32, gte=1, doc="observations per arm kept as they are", structural=True)

    state_type = Designed
    capabilities = Capabilities(
        context=True,
        reward="binary",
        propensity="one-hot",
        category="contextual",
        bits="close",
        propensities_cost="K d^2",
        update_cost="w d^2 + d^3",
    )

    def prepare(self, state: Designed) -> GeneralisedRidge:
        """Coefficients, curvature and spread of every arm."""
        ridge, spread = self.solved(state), self._inverted(state.design)
        return GeneralisedRidge(
            coefficients=ridge.coefficients, inverse=ridge.inverse, spread=spread
        )

    def advance(
        self, prepared: GeneralisedRidge, state: Designed, batch: Interactions
    ) -> GeneralisedRidge:
        """Solve anew for the arms that were observed."""
        n_arms, size = state.design.shape[-2:]
        design, spread = (
            packed.reshape(-1, size, copy=False) for packed in (state.design, prepared.spread)
        )
        for index, _, _ in _rows(batch, n_arms):
            spread[index] = self._inverted(design[index])
        return LogisticPolicy.advance(self, prepared, state, batch)

    def update_in_place(self, state: Designed, batch: Interactions) -> None:
        """Learn the coefficients, and add x xᵀ row by row."""
        LogisticPolicy.update_in_place(self, state, batch)
        n_arms, size = state.design.shape[-2:]
        design = state.design.reshape(-1, size, copy=False)
        for index, x, _ in _rows(batch, n_arms):
            design[index] += _pairs(x, x)

    def indices(self, prepared: GeneralisedRidge, context: Array | None) -> Array:
        """Expected reward plus α widths, shape (..., K)."""
        dim = prepared.coefficients.shape[-1]
        x = check_context(context, dim=dim, owner=type(self).__name__)
        square = _products(prepared.spread, _pairs(x, x))
        mean = sigmoid(_products(prepared.coefficients, x))
        return mean + self.alpha * np.sqrt(np.maximum(square, 0.0))

    def _inverted(self, design: Array) -> Array:
        """Packed inverses of λI + Σ x xᵀ from the packed sums."""
        dim = int(np.sqrt(2 * design.shape[-1]))
        matrix = design.take(_square(dim), axis=-1) + self.lambda_ * np.eye(dim)
        return _pack(cast(Array, np.linalg.inv(matrix)))
