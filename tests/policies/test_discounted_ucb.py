"""Discounted UCB."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.errors import InvalidParameter, StateMismatch
from qbrix.policies._counts import Rewards
from qbrix.policies.discounted_ucb import DiscountedUCBPolicy
from tests.policies.numbers import (
    CHANGING,
    assert_cuts_and_padding_change_nothing,
    assert_regret,
    rows,
)


def test_counts_and_sums_by_hand() -> None:
    """γ = ½, rows (0, 1), (1, ½), (0, 1): N₀ = ¼ + 1, S₀ = ¼ + 1, N₁ = ½, S₁ = ¼."""
    policy = DiscountedUCBPolicy(gamma=0.5)
    state = policy.update(policy.init(n_arms=2), rows([0, 1, 0], [1.0, 0.5, 1.0]))
    np.testing.assert_array_equal(state.pulls, [1.25, 0.5])
    np.testing.assert_array_equal(state.total_reward, [1.25, 0.25])


def test_padding_is_no_interaction() -> None:
    policy = DiscountedUCBPolicy(gamma=0.5)
    state = policy.update(policy.init(n_arms=2), rows([0, -1, 1, -1], [1.0, 0.0, 1.0, 0.0]))
    np.testing.assert_array_equal(state.pulls, [0.5, 1.0])


def test_the_index_by_hand() -> None:
    """N = (4, 1), S = (3, 0), n = 5, ξ = ½: ¾ + 2 √(ln 5 / 8) and 2 √(ln 5 / 2)."""
    policy = DiscountedUCBPolicy(xi=0.5)
    state = Rewards(pulls=np.array([4.0, 1.0]), total_reward=np.array([3.0, 0.0]))
    expected = [0.75 + 2.0 * np.sqrt(np.log(5.0) / 8.0), 2.0 * np.sqrt(np.log(5.0) / 2.0)]
    assert policy.prepare(state) == pytest.approx(expected)
    np.testing.assert_array_equal(policy.propensities(policy.prepare(state)), [0.0, 1.0])


def test_unobserved_arms_come_first_and_share_evenly() -> None:
    policy = DiscountedUCBPolicy()
    state = policy.update(policy.init(n_arms=3), rows([1], [1.0]))
    np.testing.assert_array_equal(policy.propensities(policy.prepare(state)), [0.5, 0.0, 0.5])


def test_an_arm_that_was_left_alone_for_ever_is_chosen_next() -> None:
    """½ⁿ underflows after 1100 interactions; the bound grows to the largest number, not to NaN."""
    policy = DiscountedUCBPolicy(gamma=0.5)
    for n in (300, 700, 1070, 1200):
        state = policy.update(policy.init(n_arms=2), rows([0] + [1] * n, [1.0] + [0.5] * n))
        np.testing.assert_array_equal(policy.propensities(policy.prepare(state)), [1.0, 0.0])


def test_states_cannot_be_merged() -> None:
    policy = DiscountedUCBPolicy()
    with pytest.raises(StateMismatch, match="order matters"):
        policy.merge(policy.init(n_arms=2), policy.init(n_arms=2))


@pytest.mark.parametrize("gamma", [0.0, 1.0, -0.5])
def test_a_discount_outside_0_1_is_refused(gamma: float) -> None:
    with pytest.raises(InvalidParameter, match=r"DiscountedUCBPolicy\(gamma="):
        DiscountedUCBPolicy(gamma=gamma)


def test_batches_can_be_cut_anywhere() -> None:
    assert_cuts_and_padding_change_nothing(DiscountedUCBPolicy(gamma=0.9))


def test_regret_under_changes() -> None:
    """1000 independent runs with γ = 1 − ¼ √(4/5000) gave 512.6 ± .5."""
    gamma = 1.0 - 0.25 * np.sqrt(4.0 / 5000.0)
    policy = DiscountedUCBPolicy(gamma=float(gamma))
    assert_regret(policy, environment=CHANGING, mean=512.6, error=0.5, replications=100)
