"""KL-UCB+: indices with a closed form, and published regret."""

from __future__ import annotations

import numpy as np

from qbrix.policies.klucb_plus import KLUCBPlusPolicy
from tests.policies.numbers import TEN_ARMS, TWO_ARMS, assert_regret, seen


def test_index_of_an_arm_that_never_paid() -> None:
    """kl(0, q) = −ln(1 − q), so q = 1 − (n/t)^(1/n); round 9: 1 − √(2/9)."""
    index = KLUCBPlusPolicy().prepare(seen([2, 6], [0, 6]))
    np.testing.assert_allclose(index, [1.0 - np.sqrt(2.0 / 9.0), 1.0], atol=1e-9)


def test_the_iterated_logarithm_counts_from_e() -> None:
    """ln(9/2) = 1.504 > 1 counts, ln(9/6) = 0.405 does not: q = 1 − exp(−(1.504 + ln 1.504)/2)."""
    index = KLUCBPlusPolicy(c=1.0).prepare(seen([2, 6], [0, 0]))
    log = np.log(4.5)
    expected = [1.0 - np.exp(-(log + np.log(log)) / 2.0), 1.0 - (6.0 / 9.0) ** (1.0 / 6.0)]
    np.testing.assert_allclose(index, expected, atol=1e-9)


def test_regret_on_two_arms() -> None:
    """Scenario 1 of Garivier and Cappé (2011), 20,000 runs."""
    assert_regret(
        KLUCBPlusPolicy(), TWO_ARMS, horizon=5000, replications=300, mean=9.152, error=0.049
    )


def test_regret_on_ten_arms() -> None:
    """Scenario 2 of Garivier and Cappé (2011), 1000 runs."""
    assert_regret(
        KLUCBPlusPolicy(), TEN_ARMS, horizon=20_000, replications=6, mean=79.275, error=0.427
    )
