"""Logs of decisions that were made uniformly at random, and how to read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Literal

import numpy as np

from qbrix.checks import check_integer, check_path
from qbrix.errors import InvalidParameter, ShapeError
from qbrix.support import SUPPORTS, RewardSupport, described, supported
from qbrix.types import Array, IntArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["UniformLog", "read_open_bandit"]

_COLUMNS = ("item_id", "position", "click", "propensity_score")
_USER, _AFFINITY = "user_feature_", "user-item_affinity_"

# Logs are written with few digits.
_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class UniformLog:
    """What uniformly random choices met: the only log that replays without weights.

    Attributes
    ----------
    arms : IntArray, shape (n,)
        Chosen arm of each row, in [0, K).
    rewards : Array, shape (n,)
        Finite numbers.
    n_arms : int >= 1
        K.
    contexts : Array, shape (n, d), optional
        What was known before each choice.
    propensities : Array, shape (n,), optional
        Logged probabilities, all 1/K to three digits; a log that was not drawn uniformly is
        refused.
    features : sequence of d str
        Names of the columns of ``contexts``, where they are known.
    support : {"binary", "bounded", "nonnegative", "continuous"}
        The narrowest one that holds all rewards.
    """

    arms: IntArray
    rewards: Array
    n_arms: int
    contexts: Array | None = None
    propensities: Array | None = None
    features: Sequence[str] = ()
    support: RewardSupport = field(init=False)

    def __post_init__(self) -> None:
        check_integer(self.n_arms, name="UniformLog.n_arms", least=1)
        _check_rows(self)
        narrow = [kind for kind in SUPPORTS if supported(self.rewards, kind).all()]
        if not narrow:
            wanted = described("continuous")
            raise InvalidParameter(
                f"rewards contain a value that is not finite or too large, expected {wanted}; "
                "drop its row first"
            )
        object.__setattr__(self, "support", narrow[0])

    @property
    def dim(self) -> int:
        """d; 0 without contexts."""
        return 0 if self.contexts is None else self.contexts.shape[1]

    def __len__(self) -> int:
        return len(self.arms)

    def __repr__(self) -> str:
        return (
            f"<UniformLog: {len(self):,} rows, {self.n_arms} arms, {self.dim} features, "
            f"{self.support} rewards, mean {self.rewards.mean():.6g}>"
        )


def read_open_bandit(
    path: str | PathLike[str],
    *,
    position: Literal[1, 2, 3] | None = None,
    affinity: bool = False,
    bias: bool = True,
    n_arms: int | None = None,
) -> UniformLog:
    """A campaign of the Open Bandit Dataset, from its CSV file as it is.

    Parameters
    ----------
    path : path
        E.g. ``open_bandit_dataset/random/all/all.csv``; the files under ``random`` were logged
        uniformly, those under ``bts`` are refused.
    position : {1, 2, 3}, optional
        Keep the rows of one place on the page only: left, centre or right. By default each place
        is a decision of its own.
    affinity : bool, default False
        Append the user's affinity to every item to the contexts.
    bias : bool, default True
        Append a column of ones to the contexts.
    n_arms : int, optional
        Number of items; by default that of the affinity columns, of which the file has one per
        item, or one more than the largest item.

    Returns
    -------
    UniformLog
        In the order of the time stamps. The four user features, which are hashes, become one
        column of 0 and 1 per value, the first value of each left out.

    References
    ----------
    Saito, Aihara, Matsutani and Narita (2021), *Open Bandit Dataset and Pipeline*, NeurIPS
    Datasets and Benchmarks.
    """
    frame = _read(path, position=position)
    affinities = [str(name) for name in frame.columns if str(name).startswith(_AFFINITY)]
    columns, names = _user_columns(frame)
    if affinity:
        columns.append(frame[affinities].to_numpy(dtype=np.float64))
        names += affinities
    if bias:
        columns.append(np.ones((len(frame), 1)))
        names.append("bias")
    arms = _items(frame, path=path)
    return UniformLog(
        arms=arms,
        rewards=frame["click"].to_numpy(dtype=np.float64),
        n_arms=n_arms or len(affinities) or int(arms.max()) + 1,
        contexts=np.concatenate(columns, axis=1) if columns else None,
        propensities=frame["propensity_score"].to_numpy(dtype=np.float64),
        features=names,
    )


def _read(path: str | PathLike[str], *, position: int | None) -> pd.DataFrame:
    """The rows of one place, or of all, in the order of their time stamps."""
    import pandas as pd

    frame = pd.read_csv(check_path(path, name="path", example="random/all/all.csv"))
    missing = [name for name in _COLUMNS if name not in frame.columns]
    if missing:
        raise InvalidParameter(
            f"{path} has no column {missing[0]!r}; expected a file of the Open Bandit Dataset with "
            f"the columns {', '.join(_COLUMNS)}"
        )
    if position is not None:
        frame = frame[frame["position"] == position]
    if "timestamp" in frame.columns:
        frame = frame.sort_values("timestamp", kind="stable")
    if frame.empty:
        raise InvalidParameter(f"{path} has no row at position {position!r}; expected 1, 2 or 3")
    return frame


def _items(frame: pd.DataFrame, *, path: object) -> IntArray:
    """The items, which are whole numbers; of clicks and propensities at least numbers."""
    for name in _COLUMNS:
        if frame[name].dtype.kind not in "iufb":
            raise InvalidParameter(f"{path}: the column {name!r} holds values that are no numbers")
    if frame["item_id"].dtype.kind not in "iu":
        raise InvalidParameter(f"{path}: the column 'item_id' holds values that are not whole")
    return frame["item_id"].to_numpy(dtype=np.int64)


def _user_columns(frame: pd.DataFrame) -> tuple[list[Array], list[str]]:
    """The hashed user features, one-hot."""
    columns: list[Array] = []
    names: list[str] = []
    for name in map(str, frame.columns):
        if name.startswith(_USER):
            values, codes = np.unique(frame[name].astype(str).to_numpy(str), return_inverse=True)
            columns.append((codes[:, np.newaxis] == np.arange(1, len(values))).astype(np.float64))
            names += [f"{name}={value}" for value in values[1:]]
    return columns, names


def _check_rows(log: UniformLog) -> None:
    count = len(log.arms)
    shape = (count,)
    if log.arms.shape != shape or not count or log.arms.dtype.kind not in "iu":
        raise ShapeError(f"arms are {log.arms.dtype} of shape {log.arms.shape}, expected (n,) ints")
    if log.rewards.shape != shape:
        raise ShapeError(f"rewards have shape {log.rewards.shape}, arms have {shape}")
    if log.contexts is not None and log.contexts.shape[:-1] != shape:
        raise ShapeError(f"contexts have shape {log.contexts.shape}, expected ({count}, d)")
    if log.arms.min() < 0 or log.arms.max() >= log.n_arms:
        wrong = log.arms.min() if log.arms.min() < 0 else log.arms.max()
        raise InvalidParameter(f"arms contain {wrong}, expected 0 … {log.n_arms - 1}")
    if log.propensities is not None:
        off = ~(np.abs(log.propensities * log.n_arms - 1.0) <= _TOLERANCE)
        if log.propensities.shape != shape or off.any():
            raise InvalidParameter(
                f"{off.mean():.0%} of the propensities differ from 1/{log.n_arms}: this log was "
                "not drawn uniformly, and replaying it by rejection would be biased; weight it by "
                "its propensities instead"
            )
