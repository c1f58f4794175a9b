"""EXP3++."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.policies.exp3_plus_plus import BothLosses, EXP3PlusPlusPolicy
from tests.policies.numbers import assert_cuts_and_padding_change_nothing, rows


def test_without_a_known_gap_it_explores_at_the_learning_rate() -> None:
    """t = 100, K = 2: η = ½ √(ln 2/200); weights 3 : 1; no gap, so ε = η for both arms."""
    eta = 0.5 * np.sqrt(np.log(2.0) / 200.0)
    state = BothLosses(
        pulls=np.array([50.0, 49.0]),
        total_loss=np.array([20.0, 20.0]),
        weighted_loss=np.array([0.0, np.log(3.0) / eta]),
    )
    law = EXP3PlusPlusPolicy().propensities(state)
    assert law == pytest.approx([(1 - 2 * eta) * 0.75 + eta, (1 - 2 * eta) * 0.25 + eta])


def test_an_arm_with_a_known_gap_is_explored_less() -> None:
    """α = 1, N = 5000 each, losses 0 and 1: c = √((ln t + ln 2)/10⁴), gap 1 − 2c; β = ½."""
    t = 10_001.0
    width = np.sqrt((np.log(t) + np.log(2.0)) / 10_000.0)
    needed = 0.5 * np.log(t) / (t * (1.0 - 2.0 * width) ** 2)
    eta = 0.5 * np.sqrt(np.log(2.0) / (2.0 * t))
    assert needed < eta
    state = BothLosses(
        pulls=np.array([5000.0, 5000.0]),
        total_loss=np.array([0.0, 5000.0]),
        weighted_loss=np.array([0.0, 1e9]),
    )
    law = EXP3PlusPlusPolicy(alpha=1.0, beta=0.5).propensities(state)
    assert law == pytest.approx([1.0 - needed, needed], abs=1e-15)


def test_no_more_than_half_is_explored() -> None:
    """t = 1: η = ½ √(ln 3 / 3) = .3026 exceeds 1/(2K) = 1/6."""
    policy = EXP3PlusPlusPolicy()
    state = BothLosses(pulls=np.zeros(3), total_loss=np.zeros(3), weighted_loss=np.zeros(3))
    state.weighted_loss[0] = 1e9
    assert policy.propensities(state) == pytest.approx([1 / 6, 5 / 12, 5 / 12])


def test_both_kinds_of_losses_are_summed() -> None:
    policy = EXP3PlusPlusPolicy()
    state = policy.update(policy.init(n_arms=2), rows([0, 0], [0.5, 0.0], [0.25, 1.0]))
    np.testing.assert_array_equal(state.total_loss, [1.5, 0.0])
    np.testing.assert_array_equal(state.weighted_loss, [3.0, 0.0])


def test_a_masked_arm_is_neither_explored_nor_exploited() -> None:
    policy = EXP3PlusPlusPolicy()
    law = policy.propensities(policy.init(n_arms=3), mask=np.array([True, False, True]))
    assert law == pytest.approx([0.5, 0.0, 0.5])


def test_batches_can_be_cut_anywhere() -> None:
    assert_cuts_and_padding_change_nothing(EXP3PlusPlusPolicy())
