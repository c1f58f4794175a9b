"""CP-UCB: bounds with a closed form."""

from __future__ import annotations

import numpy as np

from qbrix.policies.cpucb import CPUCBPolicy
from qbrix.testing.enumeration import exact_regret
from tests.policies.numbers import seen


def test_bounds_by_hand() -> None:
    """Round 9. Two failures: (1 − q)² = 1/9. One success of two: 1 − q² = 1/9. No failure: 1."""
    index = CPUCBPolicy().prepare(seen([2, 2, 4], [0, 1, 4]))
    np.testing.assert_allclose(index, [2 / 3, np.sqrt(8 / 9), 1.0], atol=1e-12)


def test_the_iterated_logarithm_lowers_the_risk() -> None:
    """(1 − q)² = 1/(9 ln 9)."""
    index = CPUCBPolicy(c=1.0).prepare(seen([2, 2, 4], [0, 1, 4]))
    np.testing.assert_allclose(index[0], 1.0 - np.sqrt(1.0 / (9.0 * np.log(9.0))), atol=1e-12)


def test_three_rounds_by_hand() -> None:
    """Round 3, one pull each: 1 beats 1 − 1/3, so only the arm that paid, or a tie, is chosen."""
    regret = exact_regret(CPUCBPolicy(), [0.9, 0.8], horizon=3)
    np.testing.assert_allclose(regret[1:], [0.1, 0.1 + 0.08 * 0.1 + 0.74 * 0.05], atol=1e-12)
