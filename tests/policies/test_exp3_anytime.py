"""EXP3 with a falling learning rate."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.policies._weighted import Losses
from qbrix.policies.exp3_anytime import EXP3AnytimePolicy
from qbrix.testing.enumeration import exact_regret
from tests.policies.numbers import (
    assert_cuts_and_padding_change_nothing,
    assert_regret,
    rows,
)


def test_the_second_of_two_rounds_by_hand() -> None:
    """A loss of 1 at propensity ½ weighs 2; the rate at t = 2 is √(ln 2 / 4)."""
    policy = EXP3AnytimePolicy()
    state = policy.update(policy.init(n_arms=2), rows([0], [0.0], [0.5]))
    lost = np.exp(-2.0 * np.sqrt(np.log(2.0) / 4.0))
    assert state.weighted_loss == pytest.approx([2.0, 0.0])
    assert policy.propensities(state) == pytest.approx([lost / (1.0 + lost), 1.0 / (1.0 + lost)])


def test_the_rate_acts_on_everything_that_was_summed() -> None:
    """At t = 16 the rate of two arms is a quarter of that at t = 1, and so is every log-ratio."""
    policy = EXP3AnytimePolicy()
    loss = np.array([3.0, 1.0])
    late = policy.propensities(Losses(pulls=np.array([10.0, 5.0]), weighted_loss=loss))
    early = policy.propensities(Losses(pulls=np.zeros(2), weighted_loss=loss))
    assert np.log(late[1] / late[0]) == pytest.approx(np.log(early[1] / early[0]) / 4.0)


def test_nothing_overflows_and_a_masked_arm_is_never_chosen() -> None:
    policy = EXP3AnytimePolicy()
    state = Losses(pulls=np.array([9.0, 9.0, 9.0]), weighted_loss=np.array([1e9, 2e9, 0.0]))
    law = policy.propensities(state, mask=np.array([True, True, False]))
    np.testing.assert_array_equal(law, [1.0, 0.0, 0.0])


def test_one_arm_is_certain() -> None:
    policy = EXP3AnytimePolicy()
    np.testing.assert_array_equal(policy.propensities(policy.init(n_arms=1)), [1.0])


def test_batches_can_be_cut_anywhere() -> None:
    assert_cuts_and_padding_change_nothing(EXP3AnytimePolicy())


def test_two_rounds_in_expectation_by_hand() -> None:
    """Arms (.9, .8): ½ lose .1 in round 1. In round 2 an arm that lost has q = ℓ/(1 + ℓ), with
    ℓ = exp(−√ln 2); arm 0 lost with probability .05, arm 1 with .1, none with .85.
    """
    lost = np.exp(-np.sqrt(np.log(2.0)))
    q = lost / (1.0 + lost)
    second = 0.1 * (0.85 * 0.5 + 0.05 * (1.0 - q) + 0.1 * q)
    found = exact_regret(EXP3AnytimePolicy(), [0.9, 0.8], horizon=2)
    assert found == pytest.approx([0.05, 0.05 + second], abs=1e-12)


def test_regret_on_two_arms() -> None:
    """20,000 independent runs gave 49.795 ± .108."""
    assert_regret(EXP3AnytimePolicy(), mean=49.795, error=0.108, replications=500)
