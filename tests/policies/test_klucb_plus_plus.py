"""kl-UCB++: indices with a closed form, and published regret."""

from __future__ import annotations

import numpy as np

from qbrix.policies.klucb_plus_plus import KLUCBPlusPlusPolicy
from tests.policies.numbers import TWO_ARMS, assert_regret, seen


def test_index_of_an_arm_that_never_paid() -> None:
    """q = 1 − exp(−g/2), g = ln(5 (ln² 5 + 1)) = 2.887671 for T = 20, K = 2 and two pulls."""
    index = KLUCBPlusPlusPolicy(horizon=20).prepare(seen([2, 3], [0, 0]))
    np.testing.assert_allclose(index[0], 1.0 - np.exp(-2.887671 / 2.0), atol=1e-6)


def test_index_is_the_mean_after_the_fair_share() -> None:
    index = KLUCBPlusPlusPolicy(horizon=20).prepare(seen([10, 40], [3, 10]))
    assert index.tolist() == [0.3, 0.25]


def test_regret_on_two_arms() -> None:
    """Scenario 1 of Garivier and Cappé (2011), 20,000 runs."""
    assert_regret(
        KLUCBPlusPlusPolicy(horizon=5000),
        TWO_ARMS,
        horizon=5000,
        replications=200,
        mean=12.787,
        error=0.047,
    )
