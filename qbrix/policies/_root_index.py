r"""Indices of the form :math:`\hat\mu_a + \rho(t) / \sqrt{N_a}`, which follow a round cheaply.

A round changes mean and root of one arm only; the radius ρ is one number for all arms.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from qbrix.policies._counts import UNOBSERVED, Cells, Rewards, pick, share
from qbrix.policies._index import SumPolicy
from qbrix.types import Array, BoolArray, IntArray, Interactions


@dataclass(slots=True, kw_only=True)
class Indices:
    """Indices of all arms, and what they are made of.

    Attributes
    ----------
    index : Array, shape (..., K)
    mean : Array, shape (..., K)
        `UNOBSERVED` for an arm without observations.
    root : Array, shape (..., K)
        One over the root of the observations; 0 for an arm without.
    count : Array, shape (..., 1)
        Observations of all arms.
    fresh : bool
        Whether some arm is unobserved.
    """

    index: Array
    mean: Array
    root: Array
    count: Array
    fresh: bool


class RootIndexPolicy(SumPolicy[Rewards, Indices]):
    """A policy of the largest ``mean + radius(t) / sqrt(pulls)``, unobserved arms first."""

    __slots__ = ()

    @abstractmethod
    def radius(self, t: Array) -> Array:
        """Half-width of the interval of an arm that was observed once, in round t; (..., 1)."""

    def prepare(self, state: Rewards) -> Indices:
        """The index of every arm."""
        pulls = state.pulls
        fresh = not pulls.all()
        if fresh:
            observed = pulls > 0.0
            counted = np.where(observed, pulls, 1.0)
            mean = np.where(observed, state.total_reward / counted, UNOBSERVED)
            root = np.where(observed, 1.0 / np.sqrt(counted), 0.0)
        else:
            mean, root = state.total_reward / pulls, 1.0 / np.sqrt(pulls)
        count = pulls.sum(-1, keepdims=True)
        index = mean + self.radius(count + 1.0) * root
        return Indices(index=index, mean=mean, root=root, count=count, fresh=fresh)

    def advance(self, prepared: Indices, state: Rewards, batch: Interactions) -> Indices:
        """New mean and root for the observed arms, a new radius for all."""
        arms = batch.arms
        if prepared.fresh or arms.shape[-1] != 1:
            return self.prepare(state)
        touched = Cells.of(batch, state.pulls.shape[-1]).index
        pulls = state.pulls.reshape(-1).take(touched)
        mean, root, count = prepared.mean, prepared.root, prepared.count
        mean.reshape(-1)[touched] = state.total_reward.reshape(-1).take(touched) / pulls
        root.reshape(-1)[touched] = 1.0 / np.sqrt(pulls)
        count += arms >= 0
        np.multiply(root, self.radius(count + 1.0), out=prepared.index)
        prepared.index += mean
        return prepared

    def propensities(
        self, prepared: Indices, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """1 for the largest index, shape (..., K)."""
        return share(prepared.index, mask)

    def sample(
        self,
        prepared: Indices,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm of the largest index, one per leading index."""
        return pick(prepared.index, mask=mask, rng=rng)

    def play(
        self,
        prepared: Indices,
        state: Rewards,
        rewards: Array,
        *,
        contexts: Array | None = None,
        rng: np.random.Generator,
    ) -> tuple[IntArray, Indices]:
        """A block of rounds, compiled."""
        from qbrix.policies.kernels.chance import streams
        from qbrix.policies.kernels.means import play_widths

        size = len(rewards)
        count = prepared.count
        even = count[:1] if (count == count[0]).all() else count
        chosen = np.empty(rewards.shape[:2], dtype=np.int64)
        play_widths(
            state.pulls,
            state.total_reward,
            prepared.mean,
            prepared.root,
            rewards,
            self.radius(even[:, 0] + np.arange(1.0, size + 1.0)[:, np.newaxis]),
            streams(rng, size),
            chosen,
        )
        prepared.count = count + float(size)
        prepared.fresh = not state.pulls.all()
        prepared.index = prepared.mean + self.radius(prepared.count + 1.0) * prepared.root
        return chosen, prepared
