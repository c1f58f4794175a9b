"""Any policy made contextual: it learns from what happened in the most similar contexts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Self

import numpy as np

from qbrix.checks import check_features, param
from qbrix.errors import InvalidParameter
from qbrix.policies._neighbourhood import Remembered, nearest, remember
from qbrix.policies._nested import initial, learned_by, plain_learner_of, size_of, unpacked, weighs
from qbrix.policies._questions import Questions
from qbrix.policies._varying import varying
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import zeros
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["NeighboursPolicy"]

_BLOCK = 2**20
"""Numbers of an array that is made at once in ``propensities``."""


@lru_cache(maxsize=256)
def _capabilities(policy: NeighboursPolicy) -> Capabilities:
    learner = plain_learner_of(policy.learner).capabilities
    usual = NeighboursPolicy.capabilities
    return replace(
        usual, reward=learner.reward, propensity=learner.propensity, max_arms=learner.max_arms
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class NeighboursPolicy(Policy[Remembered, Remembered]):
    r"""A policy that is begun anew for every context and shown the k nearest interactions first.

    .. math::

        p_a(x) = \pi_a\bigl((a_s, r_s) : s \in N_k(x)\bigr), \qquad
        N_k(x) = \text{the } k \text{ indices } s \text{ with the smallest } |x - x_s|

    π is the law of the learner, which needs no context itself. The neighbours come from the last w
    interactions and are learned in the order in which they happened; contexts at equal distance
    come in the order of their places. Distances are Euclidean, so features should have like scales.

    Parameters
    ----------
    learner : str, default "BetaTSPolicy"
        The policy, as `repr` shows it: ``"UCBAlphaPolicy(alpha=0.5)"``, or its name. One without
        context; it decides which rewards are learned. Another one needs a reset.
    neighbours : int >= 1, default 50
        k, at most the window.
    window : int >= 1, default 1000
        w, interactions that are remembered. Another number needs a reset.

    Examples
    --------
    >>> policy = NeighboursPolicy(neighbours=2)
    >>> prepared = policy.prepare(policy.init(n_arms=2, dim=3))
    >>> policy.propensities(prepared, np.array([1.0, 0.2, 0.4])).round(9)
    array([0.5, 0.5])

    Notes
    -----
    Where rewards change smoothly with the context, upper confidence bounds over neighbours have
    regret :math:`T^{(1+d)/(2+d)}` up to logarithms when k grows like :math:`T^{2/(2+d)}`: many
    features make near neighbours rare. *Applies when* nothing better is known about how rewards
    depend on a few features. It explores as its learner does after k observations; what lies beyond
    the window is forgotten, so it follows a changing world. Delay and batches cost it the
    neighbours that have not arrived yet, and nothing else.

    References
    ----------
    Guan and Jiang (2018), *Nonparametric Stochastic Contextual Bandits*, for UCB over k nearest
    neighbours. Strong, Kleynhans and Kadıoğlu (2021), *MABWiser: Parallelizable Contextual
    Multi-armed Bandits*, for neighbourhoods around any policy.
    """

    learner: str = param(
        "BetaTSPolicy", doc="the policy that learns from neighbours", structural=True
    )
    neighbours: int = param(50, gte=1, doc="interactions that a decision looks at")
    window: int = param(1000, gte=1, doc="interactions that are remembered", structural=True)

    state_type = Remembered
    capabilities = varying(
        Capabilities(
            context=True,
            propensity="quadrature",
            category="contextual",
            propensities_cost="w d + k · learner",
            update_cost="d",
        ),
        of=_capabilities,
    )

    def __post_init__(self) -> None:
        Policy.__post_init__(self)
        plain_learner_of(self.learner)
        if self.neighbours > self.window:
            raise InvalidParameter(
                f"NeighboursPolicy(neighbours={self.neighbours}, window={self.window}): expected "
                "neighbours <= window; remember more interactions or look at fewer"
            )

    @classmethod
    def example(cls) -> Self:
        """Few neighbours and a short memory."""
        return cls(neighbours=30, window=100)

    def init(self, *, n_arms: int, dim: int = 0) -> Remembered:
        """The state before the first interaction; ``dim`` is at least 1."""
        check_features(dim, owner=type(self).__name__, hint="or take its learner alone")
        state = zeros(Remembered, K=n_arms, w=self.window, d=dim)
        size_of(plain_learner_of(self.learner), n_arms)
        return state

    def propensities(
        self, prepared: Remembered, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        learner, n_arms = plain_learner_of(self.learner), prepared.pulls.shape[-1]
        asked = Questions.of(prepared.pulls, context, mask, dim=prepared.contexts.shape[-1])
        law = np.empty((len(asked.owner), n_arms))
        for some, inner, allowed in self._begun(prepared, asked):
            law[some] = learner.propensities(inner, mask=allowed)
        return law.reshape(*asked.leading, n_arms)

    def sample(
        self,
        prepared: Remembered,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """What the learner draws, one arm per leading index."""
        learner = plain_learner_of(self.learner)
        asked = Questions.of(prepared.pulls, context, mask, dim=prepared.contexts.shape[-1])
        arms = np.empty(len(asked.owner), dtype=np.int64)
        for some, inner, allowed in self._begun(prepared, asked):
            arms[some] = learner.sample(inner, mask=allowed, rng=rng)
        return arms.reshape(asked.leading)

    def update_in_place(self, state: Remembered, batch: Interactions) -> None:
        """Put each row in the place of the oldest one."""
        remember(state, batch, weighed=weighs(plain_learner_of(self.learner)))

    def _begun(
        self, state: Remembered, asked: Questions
    ) -> Iterator[tuple[slice, Any, BoolArray | None]]:
        """Rows that are decided at once, what the learner prepared for them, and their mask."""
        learner, n_arms = plain_learner_of(self.learner), state.pulls.shape[-1]
        size = size_of(learner, n_arms)
        several = max(1, _BLOCK // max(state.contexts.shape[-1] * self.window, size))
        for low in range(0, len(asked.owner), several):
            some = slice(low, low + several)
            batch = nearest(state, asked.owner[some], asked.contexts[some], k=self.neighbours)
            start = np.broadcast_to(initial(learner, n_arms), (len(batch.arms), size))
            begun = unpacked(learner, start, n_arms=n_arms)
            inner = learner.prepare(learned_by(learner, begun, batch))
            yield some, inner, None if asked.mask is None else asked.mask[some]
