"""The vocabulary."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from qbrix.types import Interactions


def test_a_batch_is_a_value_whose_fields_are_not_rebound() -> None:
    batch = Interactions(
        arms=np.array([0]),
        rewards=np.array([1.0]),
        propensities=np.array([0.5]),
        state_versions=np.array([0]),
    )
    with pytest.raises(FrozenInstanceError):
        batch.arms = np.array([1])  # type: ignore[misc]
