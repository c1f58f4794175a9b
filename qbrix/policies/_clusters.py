"""Means of contexts that follow as contexts come, and who belongs to which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.policies._counts import Pulls
from qbrix.policies._in_order import rows
from qbrix.policies._questions import Questions
from qbrix.state import array
from qbrix.types import Array, IntArray, Interactions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clustered(Pulls):
    """Mean context and size of C clusters, and the packed state of each one's learner."""

    centroids: Array = array("C", "d")
    sizes: Array = array("C")
    learners: Array = array("C", "m")


def nearest(state: Clustered, asked: Questions) -> IntArray:
    """The flattened cluster that is nearest to each context, shape (b,); the first before any."""
    many = state.sizes.shape[-1]
    centroids, sizes = rows(state.centroids, axes=2), rows(state.sizes)
    closest = np.full(len(asked.owner), np.inf)
    found = np.zeros(len(asked.owner), dtype=np.int64)
    for cluster in range(many):
        away = asked.contexts - centroids[asked.owner, cluster]
        away *= away
        distance = np.where(sizes[asked.owner, cluster] > 0.0, away.sum(-1), np.inf)
        nearer = distance < closest
        found[nearer], closest[nearer] = cluster, distance[nearer]
    cells: IntArray = asked.owner * many + found
    return cells


def assigned(state: Clustered, batch: Interactions) -> IntArray:
    """The cluster of every row, (..., n), −1 for padding; the means follow, in place."""
    assert batch.contexts is not None
    n, dim = batch.contexts.shape[-2:]
    arms, contexts = batch.arms.reshape(-1, n), batch.contexts.reshape(-1, n, dim)
    centroids, sizes = rows(state.centroids, axes=2), rows(state.sizes)
    found = np.full(arms.shape, -1)
    for row in range(n):
        at = np.flatnonzero(arms[:, row] >= 0)
        x, known = contexts[at, row], sizes[at] > 0.0
        away = x[:, None] - centroids[at]
        distance = np.where(known, (away * away).sum(-1), np.inf)
        begun = known.sum(-1)
        fresh = (begun < sizes.shape[-1]) & (distance.min(-1) > 0.0)
        cluster = np.where(fresh, begun, distance.argmin(-1))
        sizes[at, cluster] += 1.0
        step = (x - centroids[at, cluster]) / sizes[at, cluster][:, None]
        centroids[at, cluster] += step
        found[at, row] = cluster
    return found.reshape(batch.arms.shape)
