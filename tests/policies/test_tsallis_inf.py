"""Tsallis-INF with importance-weighted losses, and the law that both variants share."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.policies._tsallis import tsallis_law
from qbrix.policies._weighted import Losses
from qbrix.policies.tsallis_inf import TsallisINFPolicy
from tests.policies.numbers import (
    assert_cuts_and_padding_change_nothing,
    assert_regret,
    rows,
)


def test_a_law_of_two_arms_by_hand() -> None:
    """p = 1/(y + d)² sums to 1 for y = 5/4, d = 5/12: 16/25 + 9/25; so η (L₂ − L₁) = 5/6."""
    law = tsallis_law(np.array([1.0, 1.0 + 5.0 / 6.0]), np.array([1.0]))
    assert law == pytest.approx([0.64, 0.36], abs=1e-15)


def test_the_third_round_by_hand() -> None:
    """Losses 5/12 · √t apart at rate 2/√t are 5/6 of 1/η apart: the law above, whatever t."""
    policy = TsallisINFPolicy()
    apart = 5.0 / 12.0 * np.sqrt(3.0)
    state = Losses(pulls=np.array([1.0, 1.0]), weighted_loss=np.array([apart, 0.0]))
    assert policy.propensities(state) == pytest.approx([0.36, 0.64], abs=1e-15)


def test_what_is_learned_is_the_loss_over_the_logged_propensity() -> None:
    policy = TsallisINFPolicy()
    state = policy.update(policy.init(n_arms=2), rows([1, 1], [0.0, 0.75], [0.5, 0.25]))
    np.testing.assert_array_equal(state.weighted_loss, [0.0, 3.0])


@pytest.mark.parametrize("n_arms", [1, 2, 5, 40, 1000])
@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 30.0, 1e9])
def test_the_inverse_roots_differ_as_the_losses_do(n_arms: int, scale: float) -> None:
    """p^(−1/2) = η (L − x) / 2 for one x and all arms is what defines the law, beside Σ p = 1."""
    losses = np.random.default_rng(n_arms).exponential(scale, (50, n_arms))
    law = tsallis_law(losses, np.full((50, 1), 0.5))
    assert law.sum(-1) == pytest.approx(1.0)
    x = losses - 4.0 / np.sqrt(law)
    np.testing.assert_allclose(
        x, np.broadcast_to(x[:, :1], x.shape), atol=1e-12 * (scale + 4.0 * n_arms)
    )


def test_neighbours_change_no_bit() -> None:
    losses = np.random.default_rng(1).exponential(5.0, (20, 7))
    rate = np.full((20, 1), 0.3)
    together = tsallis_law(losses, rate)
    for row in range(20):
        np.testing.assert_array_equal(tsallis_law(losses[row], rate[row]), together[row])


def test_a_masked_arm_is_never_chosen_whatever_it_lost() -> None:
    policy = TsallisINFPolicy()
    state = Losses(pulls=np.zeros(3), weighted_loss=np.array([0.0, 7.0, 7.0]))
    law = policy.propensities(state, mask=np.array([False, True, True]))
    assert law == pytest.approx([0.0, 0.5, 0.5])


def test_batches_can_be_cut_anywhere() -> None:
    assert_cuts_and_padding_change_nothing(TsallisINFPolicy())


def test_regret_on_two_arms() -> None:
    """20,000 independent runs gave 30.074 ± .075."""
    assert_regret(TsallisINFPolicy(), mean=30.074, error=0.075, replications=400)
