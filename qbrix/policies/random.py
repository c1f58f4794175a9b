"""Uniform choice: the yardstick, and the cleanest logging policy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.policies._counts import Cells, Pulls, uniform
from qbrix.policies.base import Capabilities, Policy
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["RandomPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RandomPolicy(Policy[Pulls, Pulls]):
    r"""Choose every arm with the same probability, whatever was seen.

    .. math:: p_a = 1 / K

    The state counts observations and nothing depends on it.

    Examples
    --------
    >>> policy = RandomPolicy()
    >>> policy.propensities(policy.init(n_arms=4))
    array([0.25, 0.25, 0.25, 0.25])

    Notes
    -----
    Regret :math:`T (\mu^* - \bar\mu)`, linear for ever, with or without delay. Its log supports
    every off-policy question: no propensity is smaller than 1/K.

    References
    ----------
    Li, Chu, Langford and Wang (2011), *Unbiased Offline Evaluation of Contextual-bandit-based News
    Article Recommendation Algorithms*: why one wants a uniformly random log.
    """

    state_type = Pulls
    capabilities = Capabilities(reward="continuous", order_free=True, propensity="closed")

    def propensities(
        self, prepared: Pulls, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        return uniform(prepared.pulls.shape, mask)

    def update_in_place(self, state: Pulls, batch: Interactions) -> None:
        """Count the observations."""
        Cells.of(batch, state.pulls.shape[-1]).add(state.pulls, 1.0)

    def advance(self, prepared: Pulls, state: Pulls, batch: Interactions) -> Pulls:
        """The state itself."""
        return state

    def merge(self, a: Pulls, b: Pulls) -> Pulls:
        """Counts add."""
        return Pulls(pulls=a.pulls + b.pulls)

    def sample(
        self,
        prepared: Pulls,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """One arm per leading index."""
        shape = prepared.pulls.shape
        if mask is not None:
            return Policy.sample(self, prepared, context, mask=mask, rng=rng)
        arms: IntArray = (rng.random(shape[:-1]) * shape[-1]).astype(np.int64)
        return arms
