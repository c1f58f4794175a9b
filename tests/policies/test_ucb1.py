"""UCB1: the index on paper, exact and published regret."""

from __future__ import annotations

import numpy as np

from qbrix.policies.ucb1 import UCB1Policy
from tests.policies.numbers import TEN_ARMS, TWO_ARMS, assert_exact, assert_regret, law, seen


def test_index_is_mean_plus_hoeffding_width() -> None:
    """Round 9: ln 9 = 2.197225; 1/2 + √(4.394449/2) and 3/6 + √(4.394449/6)."""
    index = UCB1Policy().prepare(seen([2, 6], [1, 3])).index
    np.testing.assert_allclose(index, [1.98230, 1.35581], atol=1e-5)


def test_unobserved_arms_come_first() -> None:
    assert law(UCB1Policy(), seen([5, 0, 0], [5, 0, 0])) == [0.0, 0.5, 0.5]


def test_exact_regret_on_two_arms() -> None:
    assert_exact(UCB1Policy(), {5: 0.231840, 10: 0.461908, 20: 0.884582, 40: 1.687897})


def test_regret_on_two_arms() -> None:
    """Scenario 1 of Garivier and Cappé (2011), 20,000 runs."""
    assert_regret(UCB1Policy(), TWO_ARMS, horizon=5000, replications=200, mean=64.459, error=0.087)


def test_regret_on_ten_arms() -> None:
    """Scenario 2 of Garivier and Cappé (2011), 1000 runs."""
    assert_regret(UCB1Policy(), TEN_ARMS, horizon=20_000, replications=6, mean=843.257, error=0.932)
