"""Tsallis-INF with losses measured from a baseline."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.errors import StateMismatch
from qbrix.policies._weighted import Losses
from qbrix.policies.tsallis_inf_rv import TsallisINFRVPolicy
from tests.policies.numbers import (
    assert_cuts_and_padding_change_nothing,
    assert_regret,
    rows,
)


def test_in_the_first_sixteen_rounds_there_is_no_baseline() -> None:
    """η² = 16/t is at least 1 as long as t ≤ 16, and no probability of two arms reaches it."""
    policy = TsallisINFRVPolicy()
    state = Losses(pulls=np.array([8.0, 7.0]), weighted_loss=np.zeros(2))
    learned = policy.update(state, rows([0], [0.25], [0.5]))
    np.testing.assert_array_equal(learned.weighted_loss, [1.5, 0.0])


def test_with_a_baseline_every_likely_arm_loses_one_half() -> None:
    """t = 64: η² = ¼ ≤ ½. Arm 1 at propensity ½: ½ + (0 − ½)/½ = −½; arm 0: ½."""
    policy = TsallisINFRVPolicy()
    state = Losses(pulls=np.array([40.0, 23.0]), weighted_loss=np.zeros(2))
    learned = policy.update(state, rows([1], [1.0], [0.5]))
    np.testing.assert_array_equal(learned.weighted_loss, [0.5, -0.5])


def test_an_unlikely_arm_has_no_baseline() -> None:
    """t = 64: η = ½, 40 apart: p₂ < 1/(1 + 10)² < η² = ¼. Arm 0 gains ½, arm 1 gains 1/.1."""
    policy = TsallisINFRVPolicy()
    state = Losses(pulls=np.array([40.0, 23.0]), weighted_loss=np.array([0.0, 40.0]))
    learned = policy.update(state, rows([1], [0.0], [0.1]))
    assert learned.weighted_loss == pytest.approx([0.5, 50.0])


def test_estimates_are_unbiased_for_any_propensity() -> None:
    """Losses (.2, .9) at t = 64 with baseline ½ for both: the expectation over the choice."""
    policy = TsallisINFRVPolicy()
    law, losses = np.array([0.3, 0.7]), np.array([0.2, 0.9])
    state = Losses(pulls=np.array([63.0, 0.0]), weighted_loss=np.zeros(2))
    expected = sum(
        p * policy.update(state, rows([arm], [1.0 - losses[arm]], [p])).weighted_loss
        for arm, p in enumerate(law)
    )
    assert expected == pytest.approx(losses)


def test_states_cannot_be_merged() -> None:
    policy = TsallisINFRVPolicy()
    with pytest.raises(StateMismatch, match="order matters"):
        policy.merge(policy.init(n_arms=2), policy.init(n_arms=2))


def test_batches_can_be_cut_anywhere() -> None:
    assert_cuts_and_padding_change_nothing(TsallisINFRVPolicy())


def test_regret_on_two_arms() -> None:
    """20,000 independent runs gave 23.396 ± .117."""
    assert_regret(TsallisINFRVPolicy(), mean=23.396, error=0.117, replications=100)
