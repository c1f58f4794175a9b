"""EXP3.P."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.errors import StateMismatch
from qbrix.policies.exp3_p import Bounds, EXP3PPolicy
from tests.policies.numbers import assert_cuts_and_padding_change_nothing, rows


def test_the_first_row_by_hand() -> None:
    """From (½, ½): x̂ = .75/.5, and 1/π = 2 for both arms."""
    policy = EXP3PPolicy()
    state = policy.update(policy.init(n_arms=2), rows([1], [0.75], [0.5]))
    assert state.weighted_reward == pytest.approx([0.0, 1.5])
    assert state.uncertainty == pytest.approx([2.0, 2.0])


def test_the_second_row_by_hand() -> None:
    """γ = .6, weighted rewards 10 ln 3 apart at rate γ/6 = .1: law (.6, .4), so 1/π = 5/3, 5/2."""
    policy = EXP3PPolicy(gamma=0.6, alpha=0.0)
    state = Bounds(weighted_reward=10.0 * np.log([3.0, 1.0]), uncertainty=np.zeros(2))
    learned = policy.update(state, rows([0], [0.0], [0.6]))
    assert learned.uncertainty == pytest.approx([5 / 3, 5 / 2], rel=1e-14)
    assert learned.weighted_reward == pytest.approx(state.weighted_reward)


def test_uncertainty_is_worth_alpha_over_the_root() -> None:
    """K T = 100: α = 5 makes 20 ln 3 of uncertainty 10 ln 3 of reward."""
    policy = EXP3PPolicy(gamma=0.6, alpha=5.0, horizon=50)
    state = Bounds(weighted_reward=np.zeros(2), uncertainty=np.array([20.0 * np.log(3.0), 0.0]))
    assert policy.propensities(state) == pytest.approx([0.6, 0.4])


def test_a_masked_arm_is_never_chosen() -> None:
    state = Bounds(weighted_reward=10.0 * np.log([9.0, 3.0, 1.0]), uncertainty=np.zeros(3))
    law = EXP3PPolicy(gamma=0.9).propensities(state, mask=np.array([False, True, True]))
    assert law == pytest.approx([0.0, 0.1 * 0.75 + 0.45, 0.1 * 0.25 + 0.45])


def test_states_cannot_be_merged() -> None:
    policy = EXP3PPolicy()
    with pytest.raises(StateMismatch, match="order matters"):
        policy.merge(policy.init(n_arms=2), policy.init(n_arms=2))


def test_batches_can_be_cut_anywhere() -> None:
    assert_cuts_and_padding_change_nothing(EXP3PPolicy(gamma=0.5, horizon=60))
