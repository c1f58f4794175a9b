"""ε-greedy: propensities worked by hand, exact regret."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qbrix.environments import Bernoulli
from qbrix.policies import Policy
from qbrix.policies.epsilon import EpsilonPolicy
from qbrix.policies.exp3 import EXP3Policy
from qbrix.simulator import simulate
from tests.policies.numbers import assert_exact, law, seen


def test_exploration_reaches_every_arm_and_the_best_share_the_rest() -> None:
    """Means 1, 1, 0: 0.3 / 3 each, and 0.7 / 2 for the best two."""
    policy = EpsilonPolicy(eps=0.3, gamma=1.0)
    assert law(policy, seen([1, 2, 4], [1, 2, 0])) == [0.45, 0.45, 0.1]


def test_means_within_a_billionth_tie() -> None:
    policy = EpsilonPolicy(eps=0.0, gamma=1.0)
    assert law(policy, seen([1, 1], [0.5, 0.5 + 9e-10])) == [0.5, 0.5]
    assert law(policy, seen([1, 1], [0.5, 0.5 + 2e-9])) == [0.0, 1.0]
    assert law(policy, seen([1, 1], [4e6, 4e6 + 3e-3])) == [0.5, 0.5]
    assert law(policy, seen([1, 1], [-4e6, -4e6 + 5e-3])) == [0.0, 1.0]


def test_exploration_decays_with_every_observation() -> None:
    """Two observations leave 1 · 0.5² to explore: 0.125 for the worse arm."""
    assert law(EpsilonPolicy(eps=1.0, gamma=0.5), seen([1, 1], [0, 1])) == [0.125, 0.875]
    assert law(EpsilonPolicy(eps=1.0, gamma=0.0), seen([1, 1], [0, 1])) == [0.0, 1.0]


@pytest.mark.parametrize("policy", [EpsilonPolicy(eps=1.0, gamma=1.0), EXP3Policy(gamma=1.0)])
def test_who_always_explores_plays_without_a_warning(policy: Policy[Any, Any]) -> None:
    """What is left of a uniform number below the share is 0 / 0; nobody may look at it."""
    race = simulate(policy, Bernoulli([0.9, 0.5]), horizon=40, replications=3, seed=1)
    assert race.replications == 3


def test_unobserved_arms_come_first_and_evenly() -> None:
    policy = EpsilonPolicy(eps=0.5, gamma=1.0)
    assert law(policy, seen([5, 0, 0], [5, 0, 0])) == [0.0, 0.5, 0.5]


def test_an_unobserved_arm_that_is_masked_holds_nobody_up() -> None:
    policy = EpsilonPolicy(eps=0.5, gamma=1.0)
    prepared = policy.prepare(seen([5, 0, 1], [5, 0, 0]))
    shares = policy.propensities(prepared, mask=np.array([True, False, True]))
    assert shares.tolist() == pytest.approx([0.75, 0.0, 0.25])


def test_it_exploits_the_mean_and_not_the_sum() -> None:
    assert law(EpsilonPolicy(eps=0.0, gamma=1.0), seen([100, 1], [50, 1])) == [0.0, 1.0]


def test_exact_regret_on_two_arms() -> None:
    policy = EpsilonPolicy(eps=0.1, gamma=1.0)
    assert_exact(policy, {5: 0.231786, 10: 0.427495, 20: 0.768474, 40: 1.354807})
