"""Any policy made contextual: one learner for each cluster of contexts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from qbrix.checks import check_features, param
from qbrix.policies._clusters import Clustered, assigned, nearest
from qbrix.policies._counts import Cells
from qbrix.policies._in_order import rows
from qbrix.policies._nested import initial, learned_by, packed, plain_learner_of, unpacked
from qbrix.policies._questions import Questions
from qbrix.policies._varying import varying
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import grown, zeros
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["ClustersPolicy"]


@lru_cache(maxsize=256)
def _capabilities(policy: ClustersPolicy) -> Capabilities:
    learner = plain_learner_of(policy.learner).capabilities
    return replace(
        ClustersPolicy.capabilities,
        reward=learner.reward,
        propensity=learner.propensity,
        bits=learner.bits,
        max_arms=learner.max_arms,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ClustersPolicy(Policy[Clustered, Clustered]):
    r"""One learner for each cluster of contexts: it learns what happened there, and decides there.

    .. math::

        p_a(x) = \pi_a\bigl((a_s, r_s) : j_s = j(x)\bigr), \qquad
        j(x) = \arg\min_j |x - c_j|

    :math:`c_j` is the mean of the contexts that were assigned to cluster j when they came, each to
    the nearest mean of that moment; the first C different contexts begin a cluster each. π is the
    law of the learner, which needs no context itself. Distances are Euclidean, so features should
    have like scales; of several clusters at the same distance the first is taken.

    Parameters
    ----------
    learner : str, default "BetaTSPolicy"
        The policy, as `repr` shows it: ``"UCBAlphaPolicy(alpha=0.5)"``, or its name. One without
        context; it decides which rewards are learned. Another one needs a reset.
    clusters : int >= 1, default 8
        C. Another number needs a reset.

    Examples
    --------
    >>> policy = ClustersPolicy(clusters=2)
    >>> prepared = policy.prepare(policy.init(n_arms=2, dim=3))
    >>> policy.propensities(prepared, np.array([1.0, 0.2, 0.4])).round(9)
    array([0.5, 0.5])

    Notes
    -----
    Regret has two parts: what the learner loses in each cluster, with a share of the rounds, and
    what the best arm of a cluster loses against the best arm of a context, every round. *Applies
    when* users come in a few kinds that their features tell apart. Clusters move with the first
    contexts and hardly later on; delay and batches cost what they cost the learner.

    References
    ----------
    MacQueen (1967), *Some Methods for Classification and Analysis of Multivariate Observations*,
    for means that follow as contexts come. Nguyen and Lauw (2014), *Dynamic Clustering of
    Contextual Multi-Armed Bandits*, for one bandit per cluster.
    """

    learner: str = param("BetaTSPolicy", doc="the policy inside each cluster", structural=True)
    clusters: int = param(8, gte=1, doc="number of clusters", structural=True)

    state_type = Clustered
    capabilities = varying(
        Capabilities(
            context=True,
            propensity="quadrature",
            category="contextual",
            propensities_cost="C d + learner",
            update_cost="C d + C · learner",
        ),
        of=_capabilities,
    )

    def __post_init__(self) -> None:
        Policy.__post_init__(self)
        plain_learner_of(self.learner)

    def init(self, *, n_arms: int, dim: int = 0) -> Clustered:
        """Every learner's own beginning; ``dim`` is at least 1."""
        check_features(dim, owner=type(self).__name__, hint="or take its learner alone")
        numbers = initial(plain_learner_of(self.learner), n_arms)
        state = zeros(Clustered, K=n_arms, C=self.clusters, d=dim, m=numbers.size)
        state.learners[...] = numbers
        return state

    def grow(self, state: Clustered, *, n_arms: int) -> Clustered:
        """Arms added at the end, for every learner too."""
        learner, before = plain_learner_of(self.learner), state.pulls.shape[-1]
        inner = [
            packed(learner.grow(unpacked(learner, own, n_arms=before), n_arms=n_arms))
            for own in state.learners
        ]
        fresh = self.init(n_arms=n_arms, dim=state.centroids.shape[-1])
        old, new = (replace(one, learners=np.stack(inner)) for one in (state, fresh))
        return grown(old, new)

    def propensities(
        self, prepared: Clustered, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        asked = Questions.of(prepared.pulls, context, mask, dim=prepared.centroids.shape[-1])
        cells, learner = nearest(prepared, asked), plain_learner_of(self.learner)
        if mask is None or mask.ndim == 1:
            cells, back = np.unique(cells, return_inverse=True)
            law = learner.propensities(self._inner(prepared, cells), mask=mask)[back]
        else:
            law = learner.propensities(self._inner(prepared, cells), mask=asked.mask)
        return law.reshape(*asked.leading, prepared.pulls.shape[-1])

    def sample(
        self,
        prepared: Clustered,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """What the cluster's learner draws, one arm per leading index."""
        asked = Questions.of(prepared.pulls, context, mask, dim=prepared.centroids.shape[-1])
        inner = self._inner(prepared, nearest(prepared, asked))
        arms = plain_learner_of(self.learner).sample(inner, mask=asked.mask, rng=rng)
        return arms.reshape(asked.leading)

    def update_in_place(self, state: Clustered, batch: Interactions) -> None:
        """Assign row by row; then every learner learns the rows of its cluster."""
        if not batch.arms.shape[-1]:
            return
        own = assigned(state, batch)[..., None, :] == np.arange(self.clusters)[:, None]
        shape = own.shape
        theirs = Interactions(
            arms=np.where(own, batch.arms[..., None, :], -1),
            rewards=np.broadcast_to(batch.rewards[..., None, :], shape).copy(),
            propensities=np.broadcast_to(batch.propensities[..., None, :], shape).copy(),
            state_versions=np.broadcast_to(batch.state_versions[..., None, :], shape).copy(),
        )
        learner, n_arms = plain_learner_of(self.learner), state.pulls.shape[-1]
        inner = unpacked(learner, state.learners, n_arms=n_arms)
        state.learners[...] = packed(learned_by(learner, inner, theirs))
        Cells.of(batch, n_arms).add(state.pulls, 1.0)

    def _inner(self, state: Clustered, cells: IntArray) -> Any:
        """What the learners in some of the flattened clusters prepare."""
        learner, n_arms = plain_learner_of(self.learner), state.pulls.shape[-1]
        return learner.prepare(unpacked(learner, rows(state.learners)[cells], n_arms=n_arms))
