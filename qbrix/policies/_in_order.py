"""Learning row by row, for policies in which the order of events matters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from qbrix.types import Array, IntArray, Interactions

N = TypeVar("N", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of every replication that has one.

    Attributes
    ----------
    at : IntArray, shape (m,)
        Which of the flattened leading indices have a row here, ascending.
    arm : IntArray, shape (m,)
    reward, propensity : Array, shape (m,)
    """

    at: IntArray
    arm: IntArray
    reward: Array
    propensity: Array


def events(batch: Interactions) -> Iterator[Event]:
    """The rows of a batch, first to last, without the padding."""
    n = batch.arms.shape[-1]
    if n == 0:
        return
    arms = batch.arms.reshape(-1, n)
    rewards = batch.rewards.reshape(-1, n)
    propensities = batch.propensities.reshape(-1, n)
    for row in range(n):
        at = np.flatnonzero(arms[:, row] >= 0)
        yield Event(
            at=at, arm=arms[at, row], reward=rewards[at, row], propensity=propensities[at, row]
        )


def rows(array: NDArray[N], *, axes: int = 1) -> NDArray[N]:
    """A view of a state's array in which the leading axes are one; the last ``axes`` stay."""
    return array.reshape(-1, *array.shape[array.ndim - axes :], copy=False)
