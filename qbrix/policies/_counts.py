"""What count-based policies share: their states, the scatter of a batch, and ties.

An arm that nobody has observed scores `UNOBSERVED`, more than any estimate. So "unobserved arms
first, evenly" is one case of "the best arms share evenly".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def cells(
    batch: Interactions, n_arms: int, *columns: NDArray[Any]
) -> tuple[IntArray, list[NDArray[Any]]]:
    """Where each row of the batch belongs in a flattened (..., K) array, without the padding.

    Parameters
    ----------
    batch : Interactions
        Arms of shape (..., n).
    n_arms : int
        K.
    *columns : arrays of shape (..., n) or (..., n, …)
        What belongs to the rows and should lose its padding alike.

    Returns
    -------
    index : IntArray, shape (m,)
        ``row_of_the_leading_axes * K + arm``; the rows of one arm are in the order of the batch.
    columns : list of arrays, shape (m,) or (m, …)
    """
    arms = batch.arms
    axes = arms.ndim
    flat = [column.reshape(-1, *column.shape[axes:]) for column in columns]
    index = arms
    if axes > 1:
        index = (arms + starts(arms.shape[:-1], n_arms)).reshape(-1)
    if arms.size and arms.min() < 0:
        real = arms.reshape(-1) >= 0
        return index[real], [column[real] for column in flat]
    return index, flat


def add(target: Array, index: IntArray, values: Array | float) -> None:
    """Add row by row, in order, into the flattened ``target``, which must be contiguous.

    One cell receives its values one after the other, so that neither the leading axes nor the cut
    into batches changes a bit.
    """
    np.add.at(target.reshape(-1, copy=False), index, values)


@lru_cache(maxsize=256)
def starts(leading: tuple[int, ...], n_arms: int) -> IntArray:
    """Offset of every leading index in a flattened (..., K) array, shape (..., 1), read-only."""
    count = int(np.prod(leading, dtype=np.int64))
    offsets = (np.arange(count, dtype=np.int64) * n_arms).reshape(*leading, 1)
    offsets.flags.writeable = False
    return offsets


def allowed(scores: Array, mask: BoolArray | None) -> Array:
    """The scores, −inf where the mask forbids the arm."""
    return scores if mask is None else np.where(mask, scores, -np.inf)


def tied(scores: Array, best: Array) -> BoolArray:
    """Which scores (..., K) lie within `TIE` of the best ones (...,)."""
    near: BoolArray = scores >= (best - TIE * np.maximum(1.0, np.abs(best)))[..., None]
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
    near = tied(scores, scores.max(-1))
    law: Array = near / near.sum(-1, keepdims=True)
    return law


def pick(scores: Array, *, mask: BoolArray | None = None, rng: np.random.Generator) -> IntArray:
    """Draw from `share` without computing it: random numbers are spent on ties only.

    Parameters
    ----------
    scores : Array, shape (..., K)
    mask : BoolArray, broadcastable to (..., K), optional
    rng : numpy.random.Generator

    Returns
    -------
    IntArray, shape (...)
    """
    scores = allowed(scores, mask)
    leading, n_arms = scores.shape[:-1], scores.shape[-1]
    rows = np.ascontiguousarray(scores).reshape(-1, n_arms)
    arms = rows.argmax(-1)
    best = rows.reshape(-1).take(arms + starts(arms.shape, n_arms)[:, 0])
    near = tied(rows, best)
    if np.count_nonzero(near) > arms.size:
        several = np.flatnonzero(near.sum(-1) > 1)
        keys = rng.random((several.size, n_arms))
        arms[several] = np.where(near[several], keys, -1.0).argmax(-1)
    chosen: IntArray = arms.reshape(leading)
    return chosen


def uniform(shape: tuple[int, ...], mask: BoolArray | None) -> Array:
    """Equal probability of every allowed arm, shape (..., K)."""
    if mask is None:
        return np.full(shape, 1.0 / shape[-1])
    even = mask / mask.sum(-1, keepdims=True)
    return np.broadcast_to(even, np.broadcast_shapes(shape, even.shape)).copy()
