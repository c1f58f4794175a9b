"""Any labelled data set as a bandit: the right class pays 1."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qbrix.environments.base import Environment, Rounds
from qbrix.errors import InvalidParameter, MissingExtra, ShapeError
from qbrix.support import RewardSupport
from qbrix.types import Array, IntArray

__all__ = ["Classification"]


class Classification(Environment):
    """Guess the class of a row; the right guess pays 1, any other 0.

    .. math:: x_t = X_{\\pi(t)}, \\qquad r_{t,k} = 1[y_{\\pi(t)} = k]

    Every replication goes once through the rows, in a random order π of its own.

    Parameters
    ----------
    features : array-like of shape (n, d')
        One row per example; scale them yourself, most policies expect features of order 1.
    target : array-like of shape (n,)
        Label of each row; arms are the distinct labels in sorted order.
    bias : bool, default True
        Append a column of ones, so that d = d' + 1.
    name : str, default "custom"
        Name under which the data set stands in reports.

    Examples
    --------
    >>> environment = Classification([[0.0], [1.0], [2.0]], ["no", "yes", "no"])
    >>> environment.n_arms, environment.dim, environment.length, environment.labels
    (2, 2, 3, ['no', 'yes'])

    References
    ----------
    A. Beygelzimer and J. Langford (2009), The Offset Tree for Learning with Partial Labels, KDD:
    classification with only the chosen label's outcome revealed.
    """

    reward: RewardSupport = "binary"

    def __init__(
        self, features: ArrayLike, target: ArrayLike, *, bias: bool = True, name: str = "custom"
    ) -> None:
        self.features = _checked_features(features, bias=bias)
        self.labels, self.target = _encoded(target, rows=len(self.features))
        self.name = name
        self.length = len(self.features)
        self.n_arms = len(self.labels)
        self.dim = self.features.shape[1]

    @classmethod
    def from_bunch(
        cls, bunch: Any, *, scale: float = 1.0, bias: bool = True, name: str = "custom"
    ) -> Classification:
        """From a scikit-learn Bunch: its ``data`` divided by ``scale``, and its ``target``."""
        features = np.asarray(bunch.data, dtype=np.float64) / scale
        return cls(features, bunch.target, bias=bias, name=name)

    @classmethod
    def digits(cls) -> Classification:
        """The 1797 handwritten digits that come with scikit-learn.

        Pixels are divided by 16 and a bias column is appended: d = 65, K = 10.
        """
        try:
            from sklearn.datasets import load_digits
        except ImportError:
            raise MissingExtra("Classification.digits()", extra="notebook") from None
        return cls.from_bunch(load_digits(), scale=16.0, name="digits")

    def parameters(self) -> dict[str, Any]:
        """Name, sizes and a digest of the data, which themselves are too long to list."""
        content = hashlib.sha256(self.features.astype("<f8").tobytes())
        content.update(self.target.astype("<i8").tobytes())
        return {
            "name": self.name,
            "rows": self.length,
            "features": self.dim,
            "labels": self.labels,
            "sha256": content.hexdigest(),
        }

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """One permutation of the rows per replication."""
        rows = np.tile(np.arange(len(self.features)), (replications, 1))
        order = np.ascontiguousarray(rng.permuted(rows, axis=1).T)
        pays = np.eye(self.n_arms)
        start = 0
        for size in sizes:
            shown = order[start : start + size]
            rewards = pays[self.target[shown]]
            yield Rounds(
                rewards=rewards,
                means=rewards,
                best=np.broadcast_to(1.0, shown.shape),
                contexts=self.features[shown],
            )
            start += size

    def __repr__(self) -> str:
        return (
            f"Classification({self.name!r}, rows={self.length}, "
            f"n_arms={self.n_arms}, dim={self.dim})"
        )


def _checked_features(features: ArrayLike, *, bias: bool) -> Array:
    array = np.array(features, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise ShapeError(f"features have shape {array.shape}, expected (n, d): one row per example")
    if not np.isfinite(array).all():
        raise InvalidParameter("features contain a value that is not finite; fill or drop it first")
    if bias:
        array = np.column_stack([array, np.ones(len(array))])
    array.flags.writeable = False
    return array


def _encoded(target: ArrayLike, *, rows: int) -> tuple[list[Any], IntArray]:
    given = np.asarray(target)
    if given.shape != (rows,):
        raise ShapeError(f"target has shape {given.shape}, expected ({rows},) like the features")
    labels, codes = np.unique(given, return_inverse=True)
    return labels.tolist(), codes.astype(np.int64)
