"""UCB1-tuned: the index on paper and published regret."""

from __future__ import annotations

import numpy as np

from qbrix.policies.ucb1_tuned import UCB1TunedPolicy
from tests.policies.numbers import TEN_ARMS, TWO_ARMS, assert_regret, rows, seen_binary


def test_the_bound_on_the_variance_is_capped_at_a_quarter() -> None:
    """Round 9, two pulls: the bound 1/4 + √(2 · 2.197225/2) exceeds 1/4; 1/2 + √(2.197225/8)."""
    index = UCB1TunedPolicy().prepare(seen_binary([2, 6], [1, 6]))
    np.testing.assert_allclose(index[0], 1.02407, atol=1e-5)


def test_the_variance_counts_where_the_bound_is_below_a_quarter() -> None:
    """Round 801 (ln 6.685861): 1 + √(u √(2u)) with u = 6.685861/400 where all paid."""
    index = UCB1TunedPolicy().prepare(seen_binary([400, 400], [400, 200]))
    np.testing.assert_allclose(index, [1.05528, 0.5 + 0.06464], atol=1e-5)


def test_squares_are_summed() -> None:
    policy = UCB1TunedPolicy()
    state = policy.update(policy.init(n_arms=2), rows([0, 0, 1], [0.5, 1.0, 0.25]))
    assert state.total_square.tolist() == [1.25, 0.0625]


def test_regret_on_two_arms() -> None:
    """Scenario 1 of Garivier and Cappé (2011), 20,000 runs."""
    assert_regret(
        UCB1TunedPolicy(), TWO_ARMS, horizon=5000, replications=300, mean=15.760, error=0.115
    )


def test_regret_on_ten_arms() -> None:
    """Scenario 2 of Garivier and Cappé (2011), 1000 runs."""
    assert_regret(
        UCB1TunedPolicy(), TEN_ARMS, horizon=20_000, replications=10, mean=241.995, error=0.659
    )
