"""Sliding-window UCB."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.errors import StateMismatch
from qbrix.policies.sliding_window_ucb import SlidingWindowUCBPolicy
from qbrix.state import from_bytes, to_bytes
from tests.policies.numbers import (
    CHANGING,
    assert_cuts_and_padding_change_nothing,
    assert_regret,
    rows,
)


def test_what_falls_out_of_the_window_is_forgotten() -> None:
    """τ = 3: of (0, 1), (1, ½), (0, 0), (1, 1), (1, ¼) the last three remain."""
    policy = SlidingWindowUCBPolicy(tau=3)
    batch = rows([0, 1, 0, 1, 1], [1.0, 0.5, 0.0, 1.0, 0.25])
    state = policy.update(policy.init(n_arms=2), batch)
    np.testing.assert_array_equal(state.pulls, [1.0, 2.0])
    np.testing.assert_array_equal(state.total_reward, [0.0, 1.25])
    assert int(state.seen) == 5


def test_the_index_by_hand() -> None:
    """τ = 3, ξ = ½, t = 6: 0 + √(ln 3 / 2) and 5/8 + √(ln 3 / 4)."""
    policy = SlidingWindowUCBPolicy(tau=3)
    batch = rows([0, 1, 0, 1, 1], [1.0, 0.5, 0.0, 1.0, 0.25])
    prepared = policy.prepare(policy.update(policy.init(n_arms=2), batch))
    assert prepared == pytest.approx(
        [np.sqrt(np.log(3.0) / 2.0), 0.625 + np.sqrt(np.log(3.0) / 4.0)]
    )


def test_before_the_window_is_full_the_bound_grows_with_the_round() -> None:
    """τ = 10 and one observation of each arm: t = 3, so √(ln 3 / 2)."""
    policy = SlidingWindowUCBPolicy(tau=10)
    state = policy.update(policy.init(n_arms=2), rows([0, 1], [1.0, 0.0]))
    assert policy.prepare(state)[1] == pytest.approx(np.sqrt(np.log(3.0) / 2.0))


def test_an_arm_that_left_the_window_comes_first() -> None:
    policy = SlidingWindowUCBPolicy(tau=2)
    state = policy.update(policy.init(n_arms=2), rows([0, 1, 1], [1.0, 1.0, 1.0]))
    np.testing.assert_array_equal(policy.propensities(policy.prepare(state)), [1.0, 0.0])


@pytest.mark.parametrize("tau", [1, 4, 7])
def test_sums_are_those_of_the_window_after_many_turns(tau: int) -> None:
    rng = np.random.default_rng(tau)
    arms, rewards = rng.integers(3, size=1000), rng.random(1000)
    policy = SlidingWindowUCBPolicy(tau=tau)
    state = policy.update(policy.init(n_arms=3), rows(arms, rewards))
    last = slice(1000 - tau, 1000)
    np.testing.assert_array_equal(state.pulls, np.bincount(arms[last], minlength=3))
    np.testing.assert_allclose(
        state.total_reward, np.bincount(arms[last], weights=rewards[last], minlength=3), atol=1e-14
    )


def test_the_window_is_part_of_the_state() -> None:
    policy = SlidingWindowUCBPolicy(tau=5)
    state = policy.update(policy.init(n_arms=2), rows([0, 1], [1.0, 0.0]))
    again = from_bytes(policy.state_type, to_bytes(state))
    assert to_bytes(again) == to_bytes(state)
    assert {spec.name: spec.structural for spec in policy.parameter_specs()} == {
        "tau": True,
        "xi": False,
    }


def test_states_cannot_be_merged() -> None:
    policy = SlidingWindowUCBPolicy()
    with pytest.raises(StateMismatch, match="order matters"):
        policy.merge(policy.init(n_arms=2), policy.init(n_arms=2))


def test_batches_can_be_cut_anywhere() -> None:
    assert_cuts_and_padding_change_nothing(SlidingWindowUCBPolicy(tau=7))


def test_regret_under_changes() -> None:
    """1000 independent runs with τ = 2 √(5000 ln 5000 / 4) = 206 gave 212.1 ± .5."""
    policy = SlidingWindowUCBPolicy(tau=206)
    assert_regret(policy, environment=CHANGING, mean=212.1, error=0.5, replications=100)
