"""KL-UCB for Gaussian rewards: the index on paper."""

from __future__ import annotations

import numpy as np

from qbrix.policies.gaussian_klucb import GaussianKLUCBPolicy
from qbrix.policies.ucb1 import UCB1Policy
from tests.policies.numbers import seen


def test_index_by_hand() -> None:
    """Round 9: −1/2 + √(2 · 4 · 2.197225/2) and 1 + √(2 · 4 · 2.197225/6)."""
    index = GaussianKLUCBPolicy(variance=4.0).prepare(seen([2, 6], [-1, 6])).index
    np.testing.assert_allclose(index, [2.46461, 2.71162], atol=1e-5)


def test_the_iterated_logarithm_widens() -> None:
    """ln 9 + 3 ln ln 9 = 2.197225 + 3 · 0.787195 = 4.558811."""
    index = GaussianKLUCBPolicy(c=3.0).prepare(seen([2, 6], [0, 0])).index
    np.testing.assert_allclose(index, [np.sqrt(4.558811), np.sqrt(4.558811 / 3)], atol=1e-6)


def test_unit_variance_has_the_width_of_ucb1() -> None:
    state = seen([3, 8], [2, 7])
    np.testing.assert_allclose(
        GaussianKLUCBPolicy().prepare(state).index, UCB1Policy().prepare(state).index
    )
