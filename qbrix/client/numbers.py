"""Rewards and contexts on their way to the server."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import cast

import numpy as np

from qbrix.errors import InvalidParameter
from qbrix.types import Array

__all__ = ["number", "numbers"]


def number(reward: object) -> float:
    """A reward as a float; raises InvalidParameter."""
    real = isinstance(reward, Real) and not isinstance(reward, bool)
    if not real or not np.isfinite(float(cast(float, reward))):
        raise InvalidParameter(f"reward = {reward!r}, expected a finite number")
    return float(cast(float, reward))


def numbers(vector: Sequence[float] | Array) -> list[float]:
    """A context as JSON takes it; raises InvalidParameter."""
    try:
        features = np.asarray(vector, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidParameter(f"vector = {vector!r}, expected a list of numbers") from None
    if features.ndim != 1 or not np.isfinite(features).all():
        raise InvalidParameter(
            f"vector has shape {features.shape}, expected finite numbers of shape (d,)"
        )
    listed: list[float] = features.tolist()
    return listed
