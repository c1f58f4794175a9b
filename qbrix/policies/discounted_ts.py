"""Thompson sampling that forgets what it saw, and never its prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._beta_best_arm import beta_best_arm
from qbrix.policies._counts import Cells, allowed
from qbrix.policies._discount import discounts
from qbrix.policies.base import Capabilities, Policy
from qbrix.policies.beta_ts import Outcomes
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["DiscountedTSPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscountedTSPolicy(Policy[Outcomes, Outcomes]):
    r"""Choose each arm with its posterior probability of being the best, old evidence fading.

    .. math::

        \theta_a \sim \mathrm{Beta}(\alpha + S_a,\; \beta + F_a), \qquad
        S_a = \sum_{s : a_s = a} \gamma^{t - s} r_s, \quad
        F_a = \sum_{s : a_s = a} \gamma^{t - s} (1 - r_s)

    where t − s counts the interactions that were learned after s. The prior (α, β) is added to the
    faded sums and does not fade: an arm that was left alone returns to its prior.

    Parameters
    ----------
    alpha_prior : float > 0, default 1
        Prior successes of every arm.
    beta_prior : float > 0, default 1
        Prior failures of every arm.
    gamma : float in (0, 1)
        What remains of an observation after one more; it looks back over about 1/(1 − γ)
        interactions. It acts when a reward is learned: what faded before stays so.

    Examples
    --------
    A success of arm 0, then one of arm 1, γ = ½:

    >>> policy = DiscountedTSPolicy(gamma=0.5)
    >>> batch = Interactions(
    ...     arms=np.array([0, 1]), rewards=np.ones(2), propensities=np.ones(2),
    ...     state_versions=np.zeros(2, dtype=np.int64),
    ... )
    >>> policy.update(policy.init(n_arms=2), batch).successes
    array([0.5, 1. ])

    Notes
    -----
    It never stops exploring: regret is linear on a stationary problem, at a rate that falls with
    1 − γ. *Applies when* the means of rewards in [0, 1] change now and then. Time is counted in
    observations: delay shifts it, missing feedback stops it. Batches cost it little.

    References
    ----------
    Raj and Kalyani (2017), *Taming Non-stationary Bandits: A Bayesian Approach*, Algorithm 1.
    """

    alpha_prior: float = param(1.0, gt=0, doc="prior successes of every arm")
    beta_prior: float = param(1.0, gt=0, doc="prior failures of every arm")
    gamma: float = param(gt=0, lt=1, doc="what remains of an observation after one more")

    state_type = Outcomes
    capabilities = Capabilities(propensity="quadrature", update_cost="K")

    def propensities(
        self, prepared: Outcomes, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Posterior probability of being the best arm, shape (..., K)."""
        return beta_best_arm(
            prepared.successes + self.alpha_prior, prepared.failures + self.beta_prior, mask=mask
        )

    def update_in_place(self, state: Outcomes, batch: Interactions) -> None:
        """Discount all that was learned once for every row, and add the rows in order."""
        past, weights = discounts(batch, self.gamma)
        np.multiply(state.successes, past, out=state.successes)
        np.multiply(state.failures, past, out=state.failures)
        cells = Cells.of(batch, state.successes.shape[-1])
        cells.add(state.successes, cells.column(weights * batch.rewards))
        cells.add(state.failures, cells.column(weights * (1.0 - batch.rewards)))

    def sample(
        self,
        prepared: Outcomes,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm with the largest draw from its posterior, one per leading index."""
        draws = rng.beta(prepared.successes + self.alpha_prior, prepared.failures + self.beta_prior)
        best: IntArray = allowed(draws, mask).argmax(-1)
        return best
