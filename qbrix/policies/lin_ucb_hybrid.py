"""LinUCB with coefficients that all arms share and coefficients of each arm's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import check_context, check_integer, param
from qbrix.errors import InvalidParameter
from qbrix.policies._best_index import BestIndex
from qbrix.policies._hybrid import HybridMoments, HybridRidge, follow, learn, solve
from qbrix.policies._linear import _rows, few_rows
from qbrix.policies._per_arm import PerArmPolicy
from qbrix.policies.base import Capabilities
from qbrix.state import zeros
from qbrix.types import Array, Interactions

__all__ = ["LinUCBHybridPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinUCBHybridPolicy(
    BestIndex[HybridMoments, HybridRidge], PerArmPolicy[HybridMoments, HybridRidge]
):
    r"""Choose the arm that could pay the most, by coefficients all arms share and own ones.

    .. math::

        U_a = z_a^\top \hat\beta + x^\top \hat\theta_a + \alpha s_a, \qquad
        s_a^2 = x^\top A_a^{-1} x + w_a^\top A_0^{-1} w_a, \quad
        w_a = z_a - B_a^\top A_a^{-1} x

    .. math::

        A_0 = \lambda I + \sum z z^\top - \sum_a B_a^\top A_a^{-1} B_a, \qquad
        A_a = \lambda I + \sum x x^\top, \quad B_a = \sum x z^\top

    All arms share β, and :math:`\theta_a` belongs to arm a; its sums run over its own observations.
    The context is the k shared features of every arm side by side, then the m common ones,
    :math:`(z_1, \dots, z_K, x)`: d = K k + m. Indices that tie share evenly.

    Parameters
    ----------
    arm_features : int >= 1
        k, how many features describe an arm (and moment) in :math:`z_a`; m is what remains of d.
    alpha : float >= 0, default 1.5
        Width of the confidence interval; :math:`1 + \sqrt{\ln(2/\delta)/2}` for confidence
        :math:`1 - \delta`, in practice smaller is often better.
    prior_precision : float > 0, default 1
        :math:`\lambda`, 1 in the paper.

    Examples
    --------
    >>> policy = LinUCBHybridPolicy(arm_features=1, alpha=0.5)
    >>> prepared = policy.prepare(policy.init(n_arms=2, dim=3))
    >>> policy.propensities(prepared, np.array([0.0, 1.0, 1.0]))
    array([0., 1.])

    Notes
    -----
    It is a ridge regression of all :math:`k + K m` coefficients at once; eliminating the arms' own
    ones first keeps the work at the order of :math:`K (k + m)^2` per decision. *Applies when* part
    of the effect is common to the arms (an arm's category, price, match with the user) and part is
    not. Like the paper's it has no regret bound of its own. Between two updates it answers equal
    contexts equally, so batches and delay repeat its mistakes.

    References
    ----------
    Li, Chu, Langford and Schapire (2010), *A Contextual-Bandit Approach to Personalized News
    Article Recommendation*, section 3.2 and Algorithm 2.
    """

    arm_features: int = param(gte=1, doc="features that describe an arm", structural=True)
    alpha: float = param(1.5, gte=0, doc="width of the confidence interval")
    prior_precision: float = param(1.0, gt=0, doc="precision of the prior of every coefficient")

    state_type = HybridMoments
    capabilities = Capabilities(
        context=True,
        reward="continuous",
        order_free=True,
        propensity="one-hot",
        category="contextual",
        propensities_cost="K (k + m)^2",
        update_cost="(k + m)^2",
    )

    def init(self, *, n_arms: int, dim: int = 0) -> HybridMoments:
        """The state before the first interaction; ``dim`` exceeds ``n_arms * arm_features``."""
        check_integer(n_arms, name="n_arms", least=1)
        check_integer(dim, name="dim", least=0)
        k = self.arm_features
        m = dim - n_arms * k
        if m < 1:
            raise InvalidParameter(
                f"dim = {dim}, {type(self).__name__}(arm_features={k}) needs more than "
                f"{n_arms} arms times {k} features, for at least 1 common one; "
                "pass a constant 1.0 if there is no other"
            )
        return zeros(HybridMoments, K=n_arms, k=k, m=m, q=k * (k + 1) // 2, s=m * (m + 1) // 2)

    def width(self, sizes: dict[str, int]) -> int:
        """K k + m."""
        return sizes["K"] * sizes["k"] + sizes["m"]

    def prepare(self, state: HybridMoments) -> HybridRidge:
        """Factorise every arm's matrix, then what remains for the shared coefficients."""
        return solve(state, self.prior_precision)

    def advance(
        self, prepared: HybridRidge, state: HybridMoments, batch: Interactions
    ) -> HybridRidge:
        """Follow a few rows by rank-one corrections; many are cheaper anew."""
        n_arms, m, k = state.cross.shape[-3:]
        if not few_rows(batch, k + m):
            return self.prepare(state)
        for index, contexts, rewards in _rows(batch, n_arms):
            follow(prepared, index, contexts, rewards)
        return prepared

    def update_in_place(self, state: HybridMoments, batch: Interactions) -> None:
        """Add the products of the chosen arm's features, row by row."""
        learn(state, batch)

    def indices(self, prepared: HybridRidge, context: Array | None) -> Array:
        """Expected reward plus α widths, shape (..., K)."""
        mean, width = self.estimate(prepared, context)
        return mean + self.alpha * width

    def estimate(self, prepared: HybridRidge, context: Array | None) -> tuple[Array, Array]:
        """Expected reward and the width s of every arm, both (..., K)."""
        n_arms, m, k = prepared.carried.shape[-3:]
        given = check_context(context, dim=n_arms * k + m, owner=type(self).__name__)
        z = given[..., :-m].reshape(*given.shape[:-1], n_arms, k)
        x = given[..., None, None, -m:]
        w = z - (x @ prepared.carried)[..., 0, :]
        mean = (w @ prepared.shared[..., None])[..., 0] + np.vecdot(prepared.own, x[..., 0, :])
        square = np.vecdot((x @ prepared.own_inverse)[..., 0, :], x[..., 0, :])
        square += np.vecdot(w @ prepared.shared_inverse, w)
        return mean, np.sqrt(np.maximum(square, 0.0))

    def example_rounds(
        self, rng: np.random.Generator, *, n_arms: int, shape: tuple[int, ...]
    ) -> tuple[Array, Array]:
        """Contexts (..., d) and the means (..., K) of arms that differ in both ways."""
        k = self.arm_features
        features = rng.standard_normal((*shape, n_arms, k))
        common = rng.standard_normal((*shape, 2))
        means = features[..., 0] + common[..., :1] * np.linspace(-1.0, 1.0, n_arms)
        return np.concatenate([features.reshape(*shape, n_arms * k), common], axis=-1), means
