"""UCB-V: the index on paper and published regret."""

from __future__ import annotations

import numpy as np

from qbrix.policies.ucbv import UCBVPolicy
from tests.policies.numbers import TWO_ARMS, assert_regret, seen_binary


def test_index_has_a_term_with_the_variance_and_one_without() -> None:
    """Round 9: 1/2 + √(2 · ¼ · 2.197225/2) + 3 · 2.197225/2, and 1 + 3 · 2.197225/6."""
    index = UCBVPolicy().prepare(seen_binary([2, 6], [1, 6]))
    np.testing.assert_allclose(index, [4.53699, 2.09861], atol=1e-5)


def test_zeta_scales_the_logarithm_and_c_the_second_term() -> None:
    """1/2 + √(2 · ¼ · 2 · 2.197225/2) + ½ · 3 · 2 · 2.197225/2."""
    index = UCBVPolicy(zeta=2.0, c=0.5).prepare(seen_binary([2, 6], [1, 6]))
    np.testing.assert_allclose(index[0], 4.84399, atol=1e-5)


def test_regret_on_two_arms() -> None:
    """Scenario 1 of Garivier and Cappé (2011), 20,000 runs."""
    assert_regret(UCBVPolicy(), TWO_ARMS, horizon=5000, replications=200, mean=50.871, error=0.065)
