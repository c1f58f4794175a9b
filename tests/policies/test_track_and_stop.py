"""Track-and-Stop: who is starved and who lags."""

from __future__ import annotations

import numpy as np

from qbrix.environments import Bernoulli
from qbrix.policies.track_and_stop import TrackAndStopPolicy
from qbrix.simulator import identify
from qbrix.theory import optimal_proportions
from tests.policies.numbers import law, seen

POLICY = TrackAndStopPolicy()


def test_unobserved_arms_come_first_and_share() -> None:
    assert law(POLICY, seen([3, 0, 0], [3, 0, 0])) == [0.0, 0.5, 0.5]


def test_an_arm_below_the_root_of_t_is_starved() -> None:
    """t = 100, K = 3: fewer than 10 − 1.5 = 8.5 observations. The least observed comes first."""
    assert law(POLICY, seen([85, 8, 7], [85, 0, 0])) == [0.0, 0.0, 1.0]
    assert law(POLICY, seen([84, 8, 8], [84, 0, 0])) == [0.0, 0.5, 0.5]


def test_otherwise_the_arm_that_lags_behind_its_share_is_chosen() -> None:
    """Means .6, .4 have shares ½: of 30 observations arm 1 has 10, so it lags by 5."""
    assert law(POLICY, seen([20, 10], [12, 4])) == [0.0, 1.0]
    assert law(POLICY, seen([10, 20], [6, 8])) == [1.0, 0.0]


def test_best_means_that_tie_share_everything() -> None:
    """Shares (½, ½, 0): arms 0 and 1 lag alike, arm 2 has too many."""
    assert law(POLICY, seen([10, 10, 10], [6, 6, 1])) == [0.5, 0.5, 0.0]


def test_a_starved_arm_that_is_masked_leaves_the_tracking_to_the_others() -> None:
    state = seen([60, 30, 1], [36, 12, 0])
    mask = np.array([True, True, False])
    assert law(POLICY, state) == [0.0, 0.0, 1.0]
    assert POLICY.propensities(POLICY.prepare(state), mask=mask).tolist() == [0.0, 1.0, 0.0]


def test_shares_tend_to_the_best_proportions() -> None:
    """Mean shares of 20 searches of 1500 rounds within .08: means are known to ± .03 by then."""
    means = (0.6, 0.4, 0.35, 0.1)
    found = identify(
        POLICY,
        Bernoulli(means),
        confidence=None,
        horizon=1500,
        replications=20,
        seed=7,
        progress=False,
    )
    shares = found.searches["TrackAndStop"].pulls.mean(0) / 1500.0
    np.testing.assert_allclose(shares, optimal_proportions(np.array(means)), atol=0.08)
