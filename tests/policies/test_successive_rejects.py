"""Successive rejects: lengths of the phases, who goes, and ties."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.environments import Bernoulli
from qbrix.errors import InvalidParameter, StateMismatch
from qbrix.policies.successive_rejects import SuccessiveRejectsPolicy
from qbrix.simulator import identify
from tests.policies.numbers import law, rows


def test_the_lengths_of_the_phases_by_hand() -> None:
    """T = 100, K = 4: log‾ = ½ + ½ + ⅓ + ¼ = 19/12, 96 · 12/19 = 60.63; over 4, 3, 2, rounded up.

    16 + 21 + 31 + 31 = 99 observations.
    """
    policy = SuccessiveRejectsPolicy(horizon=100)
    assert [phase.pulls for phase in policy.phases(4)] == [16, 21, 31]
    assert [phase.keep for phase in policy.phases(4)] == [3, 2, 1]


def test_two_arms_share_the_budget() -> None:
    """log‾ = 1: (T − 2) / 2 each."""
    assert [phase.pulls for phase in SuccessiveRejectsPolicy(horizon=100).phases(2)] == [49]


def test_the_smallest_mean_goes_after_each_phase() -> None:
    """K = 3, T = 10: log‾ = 4/3, 7 · 3/4 = 5.25: 2 of each, then 3 of two in all."""
    policy = SuccessiveRejectsPolicy(horizon=10)
    assert [phase.pulls for phase in policy.phases(3)] == [2, 3]
    state = policy.update(policy.init(n_arms=3), rows([0, 1, 2, 0, 1], [1, 0, 1, 1, 0]))
    assert not state.out.any()
    state = policy.update(state, rows([2], [0]))
    assert state.out.tolist() == [False, True, False]
    assert not policy.stopped(state, confidence=0.5)
    assert law(policy, state) == [0.5, 0.0, 0.5]
    state = policy.update(state, rows([0, 2], [0, 1]))
    assert state.out.tolist() == [False, True, True]
    assert policy.stopped(state, confidence=0.5)
    assert policy.recommend(state) == 0
    assert law(policy, state) == [1.0, 0.0, 0.0]


def test_of_arms_that_tie_the_one_observed_last_goes() -> None:
    policy = SuccessiveRejectsPolicy(horizon=4)
    order = [1, 0]
    state = policy.update(policy.init(n_arms=2), rows(order, [1.0, 1.0]))
    assert state.out.tolist() == [True, False]


def test_ties_are_fair_between_arms() -> None:
    """Nobody ever pays: each of 4 arms wins 1000 ± 5.5 · 27.4 of 4000 trials, false alarm 4e-7."""
    found = identify(
        SuccessiveRejectsPolicy(horizon=20),
        Bernoulli([0.0] * 4),
        confidence=None,
        horizon=20,
        replications=4000,
        seed=4,
        progress=False,
    )
    (search,) = found.searches.values()
    assert np.abs(np.bincount(search.arms, minlength=4) - 1000).max() <= 150


def test_the_budget_ends_it_even_if_feedback_came_unevenly() -> None:
    policy = SuccessiveRejectsPolicy(horizon=10)
    state = policy.update(policy.init(n_arms=3), rows([0] * 10, [1.0] * 10))
    assert not state.out.any()
    assert policy.stopped(state, confidence=0.99)
    assert policy.recommend(state) == 0


def test_a_budget_that_does_not_reach_all_arms_is_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"horizon=4\) cannot observe each of 4 arms"):
        SuccessiveRejectsPolicy(horizon=4).init(n_arms=4)


def test_arms_join_in_the_first_phase_only() -> None:
    policy = SuccessiveRejectsPolicy(horizon=40)
    state = policy.update(policy.init(n_arms=2), rows([0, 1], [1.0, 1.0]))
    assert law(policy, policy.grow(state, n_arms=3)) == [0.0, 0.0, 1.0]
    late = policy.update(state, rows([0, 1] * 20, [1.0, 0.0] * 20))
    with pytest.raises(StateMismatch, match="first phase"):
        policy.grow(late, n_arms=3)


def test_where_only_dismissed_arms_are_allowed_they_share() -> None:
    policy = SuccessiveRejectsPolicy(horizon=10)
    batch = rows([0, 1, 2, 0, 1, 2, 0, 2], [1, 0, 1, 1, 0, 0, 0, 1])
    state = policy.update(policy.init(n_arms=3), batch)
    mask = np.array([False, True, True])
    assert policy.propensities(state, mask=mask).tolist() == [0.0, 0.5, 0.5]
