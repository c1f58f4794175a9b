"""Optimistic initial values: recursion on paper, and the ten-armed testbed."""

from __future__ import annotations

import numpy as np

from qbrix.policies.optimistic_greedy import OptimisticGreedyPolicy
from tests.policies.numbers import best_in_testbed, rows


def test_values_follow_the_recursion() -> None:
    """5 + .1 (1 − 5) = 4.6, 4.6 + .1 (0 − 4.6) = 4.14; arm 1: 5 + .1 (2 − 5) = 4.7."""
    policy = OptimisticGreedyPolicy()
    state = policy.update(policy.init(n_arms=3), rows([0, 1, 0], [1.0, 2.0, 0.0]))
    np.testing.assert_allclose(policy.values(state), [4.14, 4.7, 5.0], atol=1e-12)
    assert policy.propensities(state).tolist() == [0.0, 0.0, 1.0]


def test_another_initial_value_acts_at_once() -> None:
    """Two observations leave 0.81 of it: 10 · 0.81 + 0.09 = 8.19."""
    policy = OptimisticGreedyPolicy()
    state = policy.update(policy.init(n_arms=2), rows([0, 0], [1.0, 0.0]))
    values = OptimisticGreedyPolicy(initial_value=10.0).values(state)
    np.testing.assert_allclose(values, [8.19, 10.0], atol=1e-12)


def test_share_of_the_best_arm_in_the_testbed() -> None:
    """86.2 % at step 1000, figure 2.3 of Sutton and Barto; 4 of our standard errors."""
    best = best_in_testbed(OptimisticGreedyPolicy(), replications=1000, horizon=1000)
    assert abs(best.mean() - 0.862) < 4.0 * best.std() / np.sqrt(best.size)
