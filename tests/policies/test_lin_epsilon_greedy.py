"""ε-greedy over ridge regressions: shares by hand, ties, masks."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.policies.lin_epsilon_greedy import LinEpsilonGreedyPolicy
from tests.policies.linear import observed, shares


def test_the_best_estimate_takes_what_exploration_leaves() -> None:
    """One feature, λ = 1: rewards 3 and 1 make θ = 3/2, 1/2; the sign of x turns the order."""
    policy = LinEpsilonGreedyPolicy(eps=0.3)
    batch = observed([0, 1], [3.0, 1.0], [[1.0], [1.0]])
    state = policy.update(policy.init(n_arms=3, dim=1), batch)
    assert policy.expected(policy.prepare(state), np.array([2.0])).tolist() == [3.0, 1.0, 0.0]
    assert shares(policy, state, [1.0]) == pytest.approx([0.8, 0.1, 0.1], abs=1e-15)
    assert shares(policy, state, [-1.0]) == pytest.approx([0.1, 0.1, 0.8], abs=1e-15)


def test_estimates_that_tie_share_and_masked_arms_get_nothing() -> None:
    policy = LinEpsilonGreedyPolicy(eps=0.3)
    batch = observed([0, 1], [1.0, 1.0], [[1.0], [1.0]])
    state = policy.update(policy.init(n_arms=3, dim=1), batch)
    assert shares(policy, state, [1.0]) == pytest.approx([0.45, 0.45, 0.1], abs=1e-15)
    mask = [False, True, True]
    assert shares(policy, state, [1.0], mask=mask) == pytest.approx([0.0, 0.85, 0.15], abs=1e-15)
    assert shares(policy, state, [0.0]) == pytest.approx([1 / 3] * 3, abs=1e-15)
