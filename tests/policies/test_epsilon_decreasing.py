"""ε_n-greedy: the schedule on paper, and how often it still chooses a wrong arm."""

from __future__ import annotations

import numpy as np

from qbrix.policies.epsilon_decreasing import EpsilonDecreasingPolicy
from qbrix.testing.enumeration import exact_regret
from tests.policies.numbers import law, seen


def test_exploration_falls_as_one_over_t() -> None:
    """c K / d² = 0.5 · 2 / 0.25 = 4: certain up to round 4, 0.4 in round 10."""
    policy = EpsilonDecreasingPolicy(d=0.5, c=0.5)
    assert law(policy, seen([2, 1], [2, 0])) == [0.5, 0.5]
    np.testing.assert_allclose(law(policy, seen([5, 4], [5, 0])), [0.8, 0.2], atol=1e-9)


def test_exploiting_it_tries_unobserved_arms_first() -> None:
    found = law(EpsilonDecreasingPolicy(d=1.0, c=0.5), seen([1, 0], [1, 0]))
    np.testing.assert_allclose(found, [0.25, 0.75], atol=1e-9)


def test_two_rounds_by_hand() -> None:
    """c K / d² = 1: round 1 uniform; round 2 the unobserved arm with 3/4, the same with 1/4."""
    regret = exact_regret(EpsilonDecreasingPolicy(d=1.0, c=0.5), [0.9, 0.8], horizon=2)
    np.testing.assert_allclose(regret, [0.05, 0.1], atol=1e-12)


def test_wrong_arms_become_as_rare_as_the_theorem_says() -> None:
    """At least ε_t/K = c/(d² t); by Theorem 3 of Auer et al. at most that + o(1/t): not twice."""
    policy = EpsilonDecreasingPolicy(d=0.8, c=0.6)
    regret = exact_regret(policy, [0.9, 0.1], horizon=40)
    wrong = np.diff(regret)[-1] / 0.8
    assert 1.0 <= wrong / (0.6 / (0.64 * 40)) < 2.0
