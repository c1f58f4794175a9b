"""MOSS without a horizon: the index on paper, and its minimax bound."""

from __future__ import annotations

import numpy as np

from qbrix.policies.moss_any_time import MOSSAnyTimePolicy
from qbrix.testing.enumeration import exact_regret
from tests.policies.numbers import seen


def test_index_widens_only_below_the_fair_share() -> None:
    """Round 20, K = 2: 1/2 + √(1.175 ln(20/4)/2) for two pulls; 17 pulls have had their share."""
    index = MOSSAnyTimePolicy().prepare(seen([2, 17], [1, 17]))
    np.testing.assert_allclose(index, [0.5 + 0.97239, 1.0], atol=1e-5)


def test_alpha_scales_the_squared_width() -> None:
    """(1 + 0)/2 instead of (1 + 1.35)/2: 1/2 + √(0.5 · 1.609438/2)."""
    index = MOSSAnyTimePolicy(alpha=0.0).prepare(seen([2, 17], [1, 17]))
    np.testing.assert_allclose(index[0], 0.5 + 0.63432, atol=1e-5)


def test_three_rounds_by_hand() -> None:
    """Both arms once lose 0.1. Round 3: ln⁺(3/2) is equal for both, so the larger mean decides.

    Arm 0 alone paid (.9 · .2) → right; arm 1 alone (.1 · .8) → lose .1; a tie (.74) → lose .05.
    """
    regret = exact_regret(MOSSAnyTimePolicy(), [0.9, 0.8], horizon=3)
    np.testing.assert_allclose(regret[1:], [0.1, 0.1 + 0.08 * 0.1 + 0.74 * 0.05], atol=1e-12)
