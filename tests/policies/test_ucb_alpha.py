"""UCB-α: the index on paper, exact and published regret, Sutton and Barto's testbed."""

from __future__ import annotations

import numpy as np

from qbrix.policies.ucb1 import UCB1Policy
from qbrix.policies.ucb_alpha import UCBAlphaPolicy
from tests.policies.numbers import (
    CHANGING,
    TWO_ARMS,
    assert_exact,
    assert_regret,
    best_in_testbed,
    seen,
)


def test_index_is_mean_plus_scaled_width() -> None:
    """Round 9: ln 9 = 2.197225; 1/2 + √(2.197225/4) and 3/6 + √(2.197225/12)."""
    index = UCBAlphaPolicy(alpha=1.0).prepare(seen([2, 6], [1, 3])).index
    np.testing.assert_allclose(index, [1.24115, 0.92790], atol=1e-5)


def test_alpha_4_is_ucb1() -> None:
    state = seen([3, 8], [2, 7])
    np.testing.assert_allclose(
        UCBAlphaPolicy(alpha=4.0).prepare(state).index,
        UCB1Policy().prepare(state).index,
        rtol=1e-15,
    )


def test_exact_regret_on_two_arms() -> None:
    assert_exact(UCBAlphaPolicy(alpha=1.0), {5: 0.230990, 10: 0.419411, 20: 0.778114, 40: 1.421795})


def test_regret_on_two_arms() -> None:
    """Scenario 1 of Garivier and Cappé (2011), 20,000 runs."""
    assert_regret(
        UCBAlphaPolicy(alpha=1.0),
        TWO_ARMS,
        horizon=5000,
        replications=200,
        mean=24.887,
        error=0.071,
    )


def test_share_of_the_best_arm_in_the_testbed() -> None:
    """86.1 % at step 1000 with c = 2, figure 2.4 of Sutton and Barto; 4 of our standard errors."""
    best = best_in_testbed(UCBAlphaPolicy(alpha=8.0), replications=1000, horizon=1000)
    assert abs(best.mean() - 0.861) < 4.0 * best.std() / np.sqrt(best.size)


def test_regret_where_the_means_change() -> None:
    """Problem P1: three arms, four changes in 5000 rounds, 1000 runs."""
    assert_regret(
        UCBAlphaPolicy(alpha=1.0),
        environment=CHANGING,
        replications=200,
        mean=275.8,
        error=2.0,
    )
