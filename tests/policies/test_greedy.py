"""Greedy and ε-greedy from an initial value: laws on paper, and the ten-armed testbed."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.policies.greedy import GreedyPolicy
from tests.policies.numbers import best_in_testbed, law, seen


def test_an_unobserved_arm_has_the_initial_value() -> None:
    assert law(GreedyPolicy(), seen([2, 0, 0], [-1, 0, 0])) == [0.0, 0.5, 0.5]
    assert law(GreedyPolicy(), seen([2, 0, 0], [1, 0, 0])) == [1.0, 0.0, 0.0]
    assert law(GreedyPolicy(initial_value=1.0), seen([2, 4], [2, 4])) == [0.5, 0.5]


def test_a_whole_number_is_as_good_an_initial_value_as_a_float() -> None:
    """One observation of 0.5 stays 0.5 beside an assumed 0."""
    assert law(GreedyPolicy(initial_value=0), seen([1, 0], [0.5, 0])) == [1.0, 0.0]


def test_exploration_is_uniform_over_all_arms() -> None:
    found = law(GreedyPolicy(eps=0.3), seen([2, 4, 1], [2, 1, 0]))
    np.testing.assert_allclose(found, [0.8, 0.1, 0.1], atol=1e-9)


@pytest.mark.parametrize(("eps", "share"), [(0.0, 0.360), (0.01, 0.599), (0.1, 0.800)])
def test_share_of_the_best_arm_in_the_testbed(eps: float, share: float) -> None:
    """Step 1000 of figure 2.2 of Sutton and Barto; 4 of our standard errors."""
    best = best_in_testbed(GreedyPolicy(eps=eps), replications=1000, horizon=1000)
    assert abs(best.mean() - share) < 4.0 * best.std() / np.sqrt(best.size)
