"""ε-first: uniform up to the end of the trial, greedy after."""

from __future__ import annotations

import numpy as np

from qbrix.policies.epsilon_first import EpsilonFirstPolicy
from qbrix.testing.enumeration import exact_regret
from tests.policies.numbers import law, seen


def test_the_trial_ends_with_round_eps_times_horizon() -> None:
    """T = 40, ε = 0.1: round 4 explores, round 5 exploits."""
    policy = EpsilonFirstPolicy(horizon=40, eps=0.1)
    assert law(policy, seen([2, 1], [2, 0])) == [0.5, 0.5]
    assert law(policy, seen([2, 2], [2, 0])) == [1.0, 0.0]


def test_exploiting_it_tries_unobserved_arms_first() -> None:
    assert law(EpsilonFirstPolicy(horizon=10, eps=0.2), seen([3, 0], [3, 0])) == [0.0, 1.0]


def test_three_rounds_by_hand() -> None:
    """One exploring round of T = 3 (lose .05), then the other arm (lose .05 on average).

    Round 3 as greedy after one pull each: arm 1 alone paid (.08) → lose .1, a tie (.74) → .05.
    """
    regret = exact_regret(EpsilonFirstPolicy(horizon=3, eps=0.34), [0.9, 0.8], horizon=3)
    np.testing.assert_allclose(regret, [0.05, 0.1, 0.1 + 0.08 * 0.1 + 0.74 * 0.05], atol=1e-12)
