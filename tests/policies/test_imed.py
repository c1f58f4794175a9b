"""IMED: indices on paper, exact and published regret."""

from __future__ import annotations

import numpy as np

from qbrix.policies.imed import IMEDPolicy
from tests.policies.numbers import TEN_ARMS, TWO_ARMS, assert_exact, assert_regret, law, seen


def test_the_cheaper_arm_is_chosen() -> None:
    """2 kl(½, ¾) + ln 2 = 0.9808 < ln 8 = 2.0794; with 8 and 9 pulls 3.2302 > ln 9."""
    assert law(IMEDPolicy(), seen([2, 8], [1, 6])) == [1.0, 0.0]
    assert law(IMEDPolicy(), seen([8, 9], [4, 6.75])) == [0.0, 1.0]


def test_an_arm_that_failed_once_cannot_be_as_good_as_one_that_never_did() -> None:
    assert law(IMEDPolicy(), seen([4, 1000], [3, 1000])) == [0.0, 1.0]


def test_a_masked_arm_is_no_rival() -> None:
    """Without arm 2 the best mean is ¾ and arm 0 is cheap; with it both others look hopeless."""
    policy = IMEDPolicy()
    state = seen([2, 8, 5], [1, 6, 5])
    assert policy.propensities(state).tolist() == [0.0, 0.0, 1.0]
    mask = np.array([True, True, False])
    assert policy.propensities(state, mask=mask).tolist() == [1.0, 0.0, 0.0]


def test_exact_regret_on_two_arms() -> None:
    assert_exact(IMEDPolicy(), {5: 0.231542, 10: 0.428225, 20: 0.781719, 40: 1.388243})


def test_regret_on_two_arms() -> None:
    """Scenario 1 of Garivier and Cappé (2011), 20,000 runs."""
    assert_regret(IMEDPolicy(), TWO_ARMS, horizon=5000, replications=300, mean=9.353, error=0.047)


def test_regret_on_ten_arms() -> None:
    """Scenario 2 of Garivier and Cappé (2011), 1000 runs."""
    assert_regret(IMEDPolicy(), TEN_ARMS, horizon=20_000, replications=10, mean=79.807, error=0.442)
