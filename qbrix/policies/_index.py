"""What index policies share: sums per arm, an index per arm, and the choice of the largest.

An author writes one method, ``index(pulls, mean, t, …)``: the mathematics, for observed arms only.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from qbrix.policies._counts import UNOBSERVED, Cells, Rewards, pick, share
from qbrix.policies._kl import near_roots
from qbrix.policies.base import Policy
from qbrix.state import array, arrays_of
from qbrix.types import Array, BoolArray, IntArray, Interactions

P = TypeVar("P")
S = TypeVar("S", bound=Rewards)

_LEAST_LEVEL = 1e-13
"""Below it the root is the mean to eight digits, and rounding begins to hide the difference."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Squares(Rewards):
    """Counts and sums, and the sums of squared rewards."""

    total_square: Array = array("K")


class SumPolicy(Policy[S, P]):
    """A policy whose state is sums over the observations of each arm."""

    __slots__ = ()

    def update_in_place(self, state: S, batch: Interactions) -> None:
        """Count the observation, add its reward, and its square where the state asks for it."""
        cells = Cells.of(batch, state.pulls.shape[-1])
        rewards = cells.column(batch.rewards)
        cells.add(state.pulls, 1.0)
        cells.add(state.total_reward, rewards)
        if isinstance(state, Squares):
            cells.add(state.total_square, rewards * rewards)

    def merge(self, a: S, b: S) -> S:
        """Sums add."""
        other = dict(arrays_of(b))
        return type(a)(**{name: value + other[name] for name, value in arrays_of(a)})


class IndexPolicy(SumPolicy[S, Array]):
    """A policy that chooses the arm of the largest index, unobserved arms first.

    Its prepared form is the indices, shape (..., K).
    """

    __slots__ = ()

    @abstractmethod
    def index(self, state: S, pulls: Array, mean: Array, *, t: Array) -> Array:
        """The index of every arm.

        Parameters
        ----------
        state : S
            For what is not in the other arguments.
        pulls : Array, shape (..., K)
            Observations, ≥ 1: 1 stands for an unobserved arm, whose index is not looked at.
        mean : Array, shape (..., K)
            Mean reward; 0 for an unobserved arm.
        t : Array, shape (..., 1)
            Round that is being played: observations of all arms, plus one.

        Returns
        -------
        Array, shape (..., K)
        """

    def prepare(self, state: S) -> Array:
        """The index of every arm, shape (..., K)."""
        pulls = state.pulls
        t = pulls.sum(-1, keepdims=True) + 1.0
        if np.count_nonzero(pulls) == pulls.size:
            return self.index(state, pulls, state.total_reward / pulls, t=t)
        observed = pulls > 0.0
        counted = np.where(observed, pulls, 1.0)
        index = self.index(state, counted, state.total_reward / counted, t=t)
        return np.where(observed, index, UNOBSERVED)

    def propensities(
        self, prepared: Array, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """1 for the largest index, shape (..., K)."""
        return share(prepared, mask)

    def sample(
        self,
        prepared: Array,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm of the largest index, one per leading index."""
        return pick(prepared, mask=mask, rng=rng)


class OwnIndexPolicy(IndexPolicy[Rewards]):
    """An index policy whose indices change with an arm's own observations only, not with time."""

    __slots__ = ()

    @abstractmethod
    def own_index(self, pulls: Array, mean: Array, *, n_arms: int) -> Array:
        """The index of arms with these observations, of the shape of ``pulls``; K is ``n_arms``."""

    def index(self, state: Rewards, pulls: Array, mean: Array, *, t: Array) -> Array:
        """The index of every arm, shape (..., K)."""
        return self.own_index(pulls, mean, n_arms=pulls.shape[-1])

    def advance(self, prepared: Array, state: Rewards, batch: Interactions) -> Array:
        """New indices for the arms that were observed."""
        n_arms = state.pulls.shape[-1]
        touched = Cells.of(batch, n_arms).index
        pulls = state.pulls.reshape(-1).take(touched)
        mean = state.total_reward.reshape(-1).take(touched) / pulls
        prepared.reshape(-1)[touched] = self.own_index(pulls, mean, n_arms=n_arms)
        return prepared


def variance(state: Squares, pulls: Array, mean: Array) -> Array:
    """Mean squared distance of the rewards from their mean, shape (..., K)."""
    return np.maximum(state.total_square / pulls - mean * mean, 0.0)


def largest_mean(
    mean: Array, exploration: Array, pulls: Array, *, tolerance: float, max_iterations: int
) -> Array:
    """The largest q ≥ mean with ``pulls * kl(mean, q) <= exploration`` (≥ 0), shape (..., K)."""
    level = np.maximum(exploration / pulls, _LEAST_LEVEL)
    roots = near_roots(mean, level)
    roots.solve(level, tolerance=tolerance, max_iterations=max_iterations)
    return np.where(exploration > 0.0, roots.index(), mean)
