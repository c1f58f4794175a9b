"""What count-based policies share: their states, the scatter of a batch, and ties.

An arm that nobody has observed scores `UNOBSERVED`, more than any estimate. So "unobserved arms
first, evenly" is one case of "the best arms share evenly".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from qbrix.errors import StateMismatch
from qbrix.state import State, array
from qbrix.types import Array, BoolArray, IntArray, Interactions

TIE = 1e-9
"""Scores within this share of max(1, |best|) tie."""
UNOBSERVED = float(np.finfo(np.float64).max)
"""Score of an arm without an observation: finite, so that differences are no NaN."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pulls(State):
    """How often each arm was observed."""

    pulls: Array = array("K")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rewards(State):
    """How often each arm was observed, and the sum of what it paid."""

    pulls: Array = array("K")
    total_reward: Array = array("K")


@dataclass(slots=True)
class Cells:
    """Where the rows of a batch belong in flattened (..., K) arrays; padding is left out.

    Attributes
    ----------
    index : IntArray, shape (m,)
        ``row of the leading axes * K + arm``; the rows of one arm keep the order of the batch.
    real : BoolArray, shape (..., n), optional
        Which rows are no padding; None when all of them are real.
    once : bool
        Whether no cell occurs twice.
    """

    index: IntArray
    real: BoolArray | None
    once: bool

    @classmethod
    def of(cls, batch: Interactions, n_arms: int) -> Cells:
        """Locate the rows of ``batch`` among K arms."""
        arms = batch.arms
        once = arms.shape[-1] == 1
        if batch.cells is not None:
            return cls(batch.cells, None, once)
        index = (arms + starts(arms.shape[:-1], n_arms)[..., None]).reshape(-1)
        if arms.size and arms.item(arms.argmin()) < 0:
            real = arms >= 0
            return cls(index[real.reshape(-1)], real, once)
        return cls(index, None, once)

    def column(self, values: Array) -> Array:
        """What belongs to the rows, (..., n) to (m,)."""
        return values.reshape(-1) if self.real is None else values[self.real]

    def add(self, target: Array, values: Array | float) -> None:
        """Add row by row, in order, into ``target``, which must be contiguous.

        One cell receives its values one after the other, so that neither the leading axes nor the
        cut into batches changes a bit.
        """
        if not target.flags.c_contiguous:
            raise StateMismatch("a state that is learned in place must be contiguous")
        flat = target.ravel()
        if self.once:
            flat[self.index] += values
        else:
            np.add.at(flat, self.index, values)


def learn(state: Rewards, batch: Interactions) -> None:
    """Count the observations and add their rewards, in place."""
    cells = Cells.of(batch, state.pulls.shape[-1])
    cells.add(state.pulls, 1.0)
    cells.add(state.total_reward, cells.column(batch.rewards))


def merge(a: Rewards, b: Rewards) -> Rewards:
    """Counts and sums of both histories."""
    return Rewards(pulls=a.pulls + b.pulls, total_reward=a.total_reward + b.total_reward)


@lru_cache(maxsize=256)
def starts(leading: tuple[int, ...], n_arms: int) -> IntArray:
    """Where every leading index begins in a flattened (..., K) array, shape (...), read-only."""
    count = int(np.prod(leading, dtype=np.int64))
    offsets = (np.arange(count, dtype=np.int64) * n_arms).reshape(leading)
    offsets.flags.writeable = False
    return offsets


def allowed(scores: Array, mask: BoolArray | None) -> Array:
    """The scores, −inf where the mask forbids the arm."""
    return scores if mask is None else np.where(mask, scores, -np.inf)


def within_one(values: Array) -> bool:
    """Whether no value lies outside [-1, 1]."""
    return bool(values.item(values.argmin()) >= -1.0 and values.item(values.argmax()) <= 1.0)


def tied(scores: Array, best: Array, *, bounded: bool = False) -> BoolArray:
    """Which scores (..., K) lie within `TIE` of the best ones (...,); `bounded` as in `pick`."""
    if bounded or within_one(best):
        least = best - TIE
    else:
        least = best - TIE * np.maximum(np.abs(best), 1.0)
    near: BoolArray = scores >= least[..., None]
    return near


def share(scores: Array, mask: BoolArray | None = None) -> Array:
    """Propensities of an index policy: the best arms share evenly.

    Parameters
    ----------
    scores : Array, shape (..., K)
    mask : BoolArray, broadcastable to (..., K), optional

    Returns
    -------
    Array, shape (..., K)
    """
    scores = allowed(scores, mask)
    if scores.ndim == 1:
        return _share_one(scores)
    near = tied(scores, scores.max(-1))
    law: Array = near / near.sum(-1, keepdims=True)
    return law


def _share_one(scores: Array) -> Array:
    """`share` for one decision, in a third of the time."""
    best = scores.item(scores.argmax())
    near = scores >= best - TIE * max(abs(best), 1.0)
    several = np.count_nonzero(near)
    return np.asarray(near, dtype=np.float64) if several == 1 else near / several


def sole(scores: list[float]) -> int | None:
    """The arm that `share` gives everything to; None where several share."""
    ranked = sorted(scores)
    best = ranked[-1]
    if len(ranked) > 1 and ranked[-2] >= best - TIE * max(abs(best), 1.0):
        return None
    return scores.index(best)


def pick(
    scores: Array,
    *,
    mask: BoolArray | None = None,
    rng: np.random.Generator,
    bounded: bool = False,
) -> IntArray:
    """Draw from `share` without computing it: random numbers are spent on ties only.

    Parameters
    ----------
    scores : Array, shape (..., K)
    mask : BoolArray, broadcastable to (..., K), optional
    rng : numpy.random.Generator
    bounded : bool
        Whether the scores are known to lie in [-1, 1] or to be `UNOBSERVED`: nobody need look.

    Returns
    -------
    IntArray, shape (...)
    """
    if mask is not None:
        scores = allowed(scores, mask)
    n_arms = scores.shape[-1]
    rows = scores if scores.ndim == 2 else scores.reshape(-1, n_arms)
    arms: IntArray = rows.argmax(1)
    best = rows.take(arms + starts(arms.shape, n_arms))
    near = tied(rows, best, bounded=bounded)
    if np.count_nonzero(near) > arms.size:
        several = np.flatnonzero(near.sum(1) > 1)
        keys = rng.random((several.size, n_arms))
        arms[several] = np.where(near[several], keys, -1.0).argmax(1)
    return arms if scores.ndim == 2 else arms.reshape(scores.shape[:-1])


def uniform(shape: tuple[int, ...], mask: BoolArray | None) -> Array:
    """Equal probability of every allowed arm, shape (..., K)."""
    if mask is None:
        return np.full(shape, 1.0 / shape[-1])
    even = mask / mask.sum(-1, keepdims=True)
    return np.broadcast_to(even, np.broadcast_shapes(shape, even.shape)).copy()
