"""Columns of a data frame as features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qbrix.errors import InvalidParameter
from qbrix.types import Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["features_of"]

# A column of names or keys would become a feature per row.
_MOST_VALUES = 1000


def features_of(frame: pd.DataFrame, *, standardise: bool) -> Array:
    """Numbers as they are or standardised, truth values as 0 and 1, all else one-hot.

    Returns
    -------
    Array, shape (n, d')
        Columns stand in the order of the frame's; of v values the first has no column.
    """
    holes = [str(column) for column in frame.columns if frame[column].isna().any()]
    if holes:
        raise InvalidParameter(
            f"column {holes[0]!r} has missing values; fill them or drop their rows first"
        )
    parts = [_columns(frame[column], standardise=standardise) for column in frame.columns]
    return np.concatenate([np.empty((len(frame), 0)), *parts], axis=1)


def _columns(column: pd.Series[Any], *, standardise: bool) -> Array:
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

    if is_datetime64_any_dtype(column):
        raise InvalidParameter(
            f"column {column.name!r} holds points in time; turn them into numbers, such as the "
            "hour, or drop the column"
        )
    if is_bool_dtype(column) or not is_numeric_dtype(column):
        values, codes = np.unique(column.astype(str).to_numpy(dtype=str), return_inverse=True)
        if len(values) > _MOST_VALUES:
            raise InvalidParameter(
                f"column {column.name!r} has {len(values)} different values, expected at most "
                f"{_MOST_VALUES}; merge the rare ones or drop the column"
            )
        shown: Array = (codes[:, np.newaxis] == np.arange(1, len(values))).astype(np.float64)
        return shown
    numbers = np.asarray(column.to_numpy(), dtype=np.float64)[:, np.newaxis]
    if not standardise:
        return numbers
    spread = float(numbers.std())
    centred: Array = numbers - numbers.mean()
    return centred / spread if spread > 0.0 else centred
