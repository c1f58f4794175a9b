"""Any labelled data set as a bandit: the right class pays 1."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike

from qbrix.environments._frames import features_of
from qbrix.environments.base import Environment, Rounds
from qbrix.errors import InvalidParameter, MissingExtra, ShapeError, UnknownName
from qbrix.support import RewardSupport
from qbrix.types import Array, IntArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Classification"]

# Sets that come with scikit-learn, and what their features are divided by; None: standardised.
_BUILT_IN = {"breast_cancer": None, "digits": 16.0, "iris": None, "wine": None}


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

    Notes
    -----
    The spec holds a digest of the data instead of the data themselves: `from_spec` gives back the
    sets of `from_sklearn`, and refuses others.

    References
    ----------
    Beygelzimer and Langford (2009), *The Offset Tree for Learning with Partial Labels*:
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
        self.self_contained = False

    @classmethod
    def from_bunch(
        cls, bunch: Any, *, scale: float = 1.0, bias: bool = True, name: str = "custom"
    ) -> Self:
        """From a scikit-learn Bunch: its ``data`` divided by ``scale``, and its ``target``."""
        features = np.asarray(bunch.data, dtype=np.float64) / scale
        return cls(features, bunch.target, bias=bias, name=name)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        label: str,
        standardise: bool = True,
        bias: bool = True,
        name: str = "custom",
    ) -> Self:
        """From a pandas data frame: one column is the label, all others are features.

        Parameters
        ----------
        frame : pandas.DataFrame
            Without missing values. Truth values become 0 and 1; text and categories become one
            column of 0 and 1 per value, the first value left out.
        label : str
            Name of the column with the right class.
        standardise : bool, default True
            Shift and scale number columns to mean 0 and standard deviation 1.
        bias : bool, default True
            Append a column of ones.
        name : str, default "custom"
            Name under which the data set stands in reports.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"age": [20, 40], "city": ["Bern", "Rome"], "buys": [1, 0]})
        >>> Classification.from_frame(frame, label="buys").features.tolist()
        [[-1.0, 0.0, 1.0], [1.0, 1.0, 1.0]]
        """
        if label not in frame.columns:
            raise UnknownName("column", label, known=[str(column) for column in frame.columns])
        features = features_of(frame.drop(columns=[label]), standardise=standardise)
        return cls(features, frame[label], bias=bias, name=name)

    @classmethod
    def from_sklearn(cls, name: str) -> Self:
        """A set that comes with scikit-learn: breast_cancer, digits, iris or wine.

        Digits are divided by 16, the others standardised; a bias column is appended.
        """
        if name not in _BUILT_IN:
            raise UnknownName("data set", name, known=_BUILT_IN)
        bunch = _loader(name)()
        scale = _BUILT_IN[name]
        if scale is None:
            import pandas as pd

            features = features_of(pd.DataFrame(bunch.data), standardise=True)
            found = cls(features, bunch.target, name=name)
        else:
            found = cls.from_bunch(bunch, scale=scale, name=name)
        found.self_contained = True
        return found

    @classmethod
    def digits(cls) -> Self:
        """The 1797 handwritten digits that come with scikit-learn.

        Pixels are divided by 16 and a bias column is appended: d = 65, K = 10.
        """
        return cls.from_sklearn("digits")

    @classmethod
    def example(cls) -> Self:
        """Sixty rows of two classes."""
        return cls([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]] * 20, ["a", "b", "a"] * 20)

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """A set that comes with scikit-learn, if it is still the same."""
        name = parameters.get("name")
        if name not in _BUILT_IN:
            raise InvalidParameter(
                f"the spec names the data set {name!r} by its digest only; make the Classification "
                "from the data themselves"
            )
        found = cls.from_sklearn(name)
        if found.parameters() != dict(parameters):
            raise InvalidParameter(
                f"the installed data set {name!r} is not the one of the spec: digest "
                f"{found.parameters()['sha256'][:12]}…, expected {parameters.get('sha256')!r}"
            )
        return found

    @property
    def optimum(self) -> float:
        """The right class pays 1."""
        return 1.0

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


def _loader(name: str) -> Callable[[], Any]:
    try:
        from sklearn import datasets
    except ImportError:
        raise MissingExtra(f"Classification.from_sklearn({name!r})", extra="notebook") from None
    return cast(Callable[[], Any], getattr(datasets, f"load_{name}"))


def _checked_features(features: ArrayLike, *, bias: bool) -> Array:
    try:
        array = np.array(features, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidParameter(f"features are not all numbers ({error}); encode them") from None
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
    if any(_is_missing(label) for label in given.tolist()):
        raise InvalidParameter("target contains a missing label; fill or drop it first")
    try:
        labels, codes = np.unique(given, return_inverse=True)
    except TypeError:
        raise InvalidParameter("target mixes labels that cannot be sorted; use one type") from None
    fixed = codes.astype(np.int64)
    fixed.flags.writeable = False
    return labels.tolist(), fixed


def _is_missing(label: object) -> bool:
    return label is None or (isinstance(label, float) and math.isnan(label))
