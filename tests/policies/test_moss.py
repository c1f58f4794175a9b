"""MOSS: the index on paper and published regret."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.errors import InvalidParameter
from qbrix.policies.moss import MOSSPolicy
from tests.policies.numbers import TWO_ARMS, assert_regret, seen


def test_index_is_the_mean_after_the_fair_share() -> None:
    """T = 20, K = 2: ln(20/4) = 1.609438 for two pulls, ln⁺(20/24) = 0 for twelve."""
    index = MOSSPolicy(horizon=20).prepare(seen([2, 12], [1, 9]))
    np.testing.assert_allclose(index, [0.5 + 0.89706, 0.75], atol=1e-5)


def test_regret_on_two_arms() -> None:
    """Scenario 1 of Garivier and Cappé (2011), 20,000 runs."""
    assert_regret(
        MOSSPolicy(horizon=5000),
        TWO_ARMS,
        horizon=5000,
        replications=200,
        mean=24.624,
        error=0.066,
    )


def test_a_horizon_is_a_positive_integer() -> None:
    with pytest.raises(InvalidParameter, match="horizon=0"):
        MOSSPolicy(horizon=0)
