"""Checked arguments of environments: arrays that nobody can change afterwards."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qbrix.errors import InvalidParameter
from qbrix.types import Array

__all__ = ["one_number", "one_per_arm", "sealed", "table"]

INFINITY = math.inf


def sealed(array: Array) -> Array:
    """The array, read-only."""
    array.flags.writeable = False
    return array


def one_per_arm(
    values: ArrayLike,
    *,
    name: str,
    low: float = -INFINITY,
    high: float = INFINITY,
    above: bool = False,
    n_arms: int | None = None,
) -> Array:
    """K finite numbers in [low, high], or in (low, high] with ``above``; read-only.

    ``n_arms`` lets a single number stand for one of every arm.
    """
    array = _array(values)
    if n_arms is not None and array.ndim == 0:
        array = np.full(n_arms, float(array))
    count = array.ndim == 1 and array.size > 0 and (n_arms is None or array.size == n_arms)
    if not count or not _inside(array, low=low, high=high, above=above):
        size = "one number" if n_arms is None else f"one number, or {n_arms},"
        raise InvalidParameter(
            f"{name} = {values!r}, expected {size} {_range(low, high, above=above)} per arm"
        )
    return sealed(array)


def table(
    values: ArrayLike, *, name: str, rows: str, low: float = -INFINITY, high: float = INFINITY
) -> Array:
    """A matrix of finite numbers in [low, high] with a row for each of what ``rows`` names."""
    array = _array(values)
    if array.ndim != 2 or not array.size or not _inside(array, low=low, high=high, above=False):
        raise InvalidParameter(
            f"{name} has shape {array.shape}, expected a matrix of numbers "
            f"{_range(low, high, above=False)}, a row per {rows}"
        )
    return sealed(array)


def one_number(
    value: Any,
    *,
    name: str,
    low: float = -INFINITY,
    high: float = INFINITY,
    above: bool = False,
) -> float:
    """A finite float in [low, high], or in (low, high] with ``above``."""
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not real or not _inside(np.asarray(float(value)), low=low, high=high, above=above):
        raise InvalidParameter(
            f"{name} = {value!r}, expected a number {_range(low, high, above=above)}"
        )
    return float(value)


def _array(values: ArrayLike) -> Array:
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return np.full((0, 0, 0), np.nan)


def _inside(array: Array, *, low: float, high: float, above: bool) -> bool:
    fits = (array > low) if above else (array >= low)
    return bool((fits & (array <= high) & np.isfinite(array)).all())


def _range(low: float, high: float, *, above: bool) -> str:
    """The range in words."""
    if math.isinf(low) and math.isinf(high):
        return "that is finite"
    if math.isinf(high):
        return f"{'>' if above else '>='} {low:g}"
    return f"in {'(' if above else '['}{low:g}, {high:g}]"
