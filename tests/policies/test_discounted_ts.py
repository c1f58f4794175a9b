"""Thompson sampling with discounted evidence."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.errors import InvalidParameter, StateMismatch
from qbrix.policies import get
from qbrix.policies.beta_ts import Outcomes
from qbrix.policies.discounted_ts import DiscountedTSPolicy
from tests.policies.numbers import (
    CHANGING,
    assert_cuts_and_padding_change_nothing,
    assert_regret,
    rows,
)


def test_sums_by_hand() -> None:
    """γ = ½, rows (0, 1), (1, ¼), (0, 0): S₀ = ¼, F₀ = 1, S₁ = ⅛, F₁ = ⅜."""
    policy = DiscountedTSPolicy(gamma=0.5)
    state = policy.update(policy.init(n_arms=2), rows([0, 1, 0], [1.0, 0.25, 0.0]))
    np.testing.assert_array_equal(state.successes, [0.25, 0.125])
    np.testing.assert_array_equal(state.failures, [1.0, 0.375])


def test_the_law_by_hand() -> None:
    """Beta(2, 1) against Beta(1, 1): P(θ₀ > θ₁) = E θ₀ = 2/3."""
    policy = DiscountedTSPolicy(gamma=0.9)
    state = Outcomes(successes=np.array([1.0, 0.0]), failures=np.zeros(2))
    assert policy.propensities(state) == pytest.approx([2 / 3, 1 / 3], abs=1e-10)


def test_the_prior_does_not_fade() -> None:
    """After 5000 interactions with arm 1, arm 0 is Beta(3, 2) again, not Beta(0, 0)."""
    policy = DiscountedTSPolicy(gamma=0.5, alpha_prior=3.0, beta_prior=2.0)
    state = policy.update(policy.init(n_arms=2), rows([0] + [1] * 5000, [1.0] + [0.0] * 5000))
    assert state.successes[0] == 0.0
    law = policy.propensities(state)
    fresh = policy.propensities(
        Outcomes(successes=np.zeros(2), failures=np.array([0.0, state.failures[1]]))
    )
    np.testing.assert_array_equal(law, fresh)


def test_the_shortcut_draws_from_the_law() -> None:
    """200,000 draws, 5 standard deviations per arm: false alarm below 3 × 6e-7."""
    policy = DiscountedTSPolicy(gamma=0.9)
    one = Outcomes(successes=np.array([3.5, 0.2, 1.0]), failures=np.array([2.0, 0.0, 4.0]))
    law = policy.propensities(one)
    many = Outcomes(
        successes=np.tile(one.successes, (200_000, 1)), failures=np.tile(one.failures, (200_000, 1))
    )
    arms = policy.sample(many, rng=np.random.default_rng(4))
    found = np.bincount(arms, minlength=3) / 200_000
    assert (np.abs(found - law) <= 5.0 * np.sqrt(law * (1.0 - law) / 200_000)).all()


def test_the_wire_knows_it_by_name_and_requires_gamma() -> None:
    assert get("DiscountedTSPolicy") is DiscountedTSPolicy
    assert DiscountedTSPolicy(gamma=0.9).parameters() == {
        "alpha_prior": 1.0,
        "beta_prior": 1.0,
        "gamma": 0.9,
    }
    assert [spec.name for spec in DiscountedTSPolicy.parameter_specs() if spec.required] == [
        "gamma"
    ]


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_a_discount_outside_0_1_is_refused(gamma: float) -> None:
    with pytest.raises(InvalidParameter, match=r"DiscountedTSPolicy\(gamma="):
        DiscountedTSPolicy(gamma=gamma)


def test_states_cannot_be_merged() -> None:
    policy = DiscountedTSPolicy(gamma=0.9)
    with pytest.raises(StateMismatch, match="order matters"):
        policy.merge(policy.init(n_arms=2), policy.init(n_arms=2))


def test_batches_can_be_cut_anywhere() -> None:
    assert_cuts_and_padding_change_nothing(DiscountedTSPolicy(gamma=0.9))


def test_regret_under_changes() -> None:
    """1000 independent runs with γ = .99 gave 186.3 ± .4."""
    policy = DiscountedTSPolicy(gamma=0.99)
    assert_regret(policy, environment=CHANGING, mean=186.3, error=0.4, replications=300)
