"""Bayes-UCB: quantiles with a closed form, and the reach of its prior."""

from __future__ import annotations

import numpy as np

from qbrix.policies.bayes_ucb import BayesUCBPolicy
from qbrix.testing.enumeration import exact_regret
from tests.policies.numbers import law, seen


def test_index_of_arms_that_always_or_never_paid() -> None:
    """Beta(n + 1, 1): q^(n+1) = 1 − 1/t. Beta(1, n + 1): (1 − q)^(n+1) = 1/t. Round 9."""
    index = BayesUCBPolicy().prepare(seen([2, 6], [2, 0]))
    np.testing.assert_allclose(index, [(8 / 9) ** (1 / 3), 1 - (1 / 9) ** (1 / 7)], atol=1e-12)


def test_the_iterated_logarithm_lowers_the_risk() -> None:
    """1/(9 ln² 9) in place of 1/9."""
    index = BayesUCBPolicy(c=2.0).prepare(seen([2, 6], [2, 0]))
    risk = 1.0 / (9.0 * np.log(9.0) ** 2)
    np.testing.assert_allclose(index[0], (1.0 - risk) ** (1 / 3), atol=1e-12)


def test_unobserved_arms_come_first() -> None:
    assert law(BayesUCBPolicy(), seen([5, 0], [5, 0])) == [0.0, 1.0]


def test_three_rounds_by_hand() -> None:
    """Round 3, one pull each: the arm that paid has the larger quantile; a tie is shared."""
    regret = exact_regret(BayesUCBPolicy(), [0.9, 0.8], horizon=3)
    np.testing.assert_allclose(regret[1:], [0.1, 0.1 + 0.08 * 0.1 + 0.74 * 0.05], atol=1e-12)
