"""Choosing the arm of the largest index that a context gives."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

import numpy as np

from qbrix.policies._counts import pick, share
from qbrix.policies.base import Policy
from qbrix.state import State
from qbrix.types import Array, BoolArray, IntArray

__all__ = ["BestIndex"]

S = TypeVar("S", bound=State)
P = TypeVar("P")


class BestIndex(Policy[S, P]):
    """A contextual policy that chooses the arm of the largest index; those that tie share."""

    __slots__ = ()

    @abstractmethod
    def indices(self, prepared: P, context: Array | None) -> Array:
        """The index of every arm in every context, shape (..., K)."""

    def propensities(
        self, prepared: P, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """1 for the largest index, shape (..., K)."""
        return share(self.indices(prepared, context), mask)

    def sample(
        self,
        prepared: P,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm of the largest index, one per leading index."""
        return pick(self.indices(prepared, context), mask=mask, rng=rng)
