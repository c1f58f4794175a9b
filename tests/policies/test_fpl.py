"""Follow the perturbed leader."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from qbrix.policies import get
from qbrix.policies.fpl import FPLPolicy, WeightedSums
from qbrix.types import Array
from tests.policies.numbers import assert_cuts_and_padding_change_nothing, rows


def behind(losses: Array) -> WeightedSums:
    """A state whose total losses are these: every reward was 0, the largest one 1."""
    return WeightedSums(
        weight=losses, weighted_reward=np.zeros_like(losses), largest_reward=np.array(1.0)
    )


def test_two_arms_by_hand() -> None:
    """The difference of two exponentials is Laplace: P(Z₁ − Z₀ > x) = exp(−x/η) / 2."""
    law = FPLPolicy(eta=2.0).propensities(behind(np.array([0.0, 3.0])))
    assert law[1] == pytest.approx(np.exp(-1.5) / 2.0, abs=1e-15)


def test_three_arms_by_hand() -> None:
    """c = (1, b, c): c ∫ (1 − u)(1 − b u) du = c (1/2 − b/6), b likewise, the leader the rest."""
    b, c = 0.5, 0.25
    law = FPLPolicy(eta=1.0).propensities(behind(-np.log([1.0, b, c])))
    third, second = c * (1 / 2 - b / 6), b * (1 / 2 - c / 6)
    assert law == pytest.approx([1.0 - second - third, second, third], abs=1e-15)


@pytest.mark.parametrize("n_arms", [1, 2, 9, 10, 501])
def test_equal_arms_share_evenly(n_arms: int) -> None:
    law = FPLPolicy().propensities(FPLPolicy().init(n_arms=n_arms))
    np.testing.assert_allclose(law, 1.0 / n_arms, rtol=1e-12)


def test_the_shortcut_draws_from_the_law() -> None:
    """200,000 draws, 5 standard deviations per arm: false alarm below 4 × 6e-7."""
    policy = FPLPolicy(eta=2.0)
    losses = np.array([0.0, 1.0, 2.5, 6.0])
    law = policy.propensities(behind(losses))
    states = WeightedSums(
        weight=np.tile(losses, (200_000, 1)),
        weighted_reward=np.zeros((200_000, 4)),
        largest_reward=np.ones(200_000),
    )
    arms = policy.sample(states, rng=np.random.default_rng(8))
    found = np.bincount(arms, minlength=4) / 200_000
    assert (np.abs(found - law) <= 5.0 * np.sqrt(law * (1.0 - law) / 200_000)).all()


@pytest.mark.parametrize("change", [lambda r: r + 400.0, lambda r: r - 7.0])
def test_adding_a_constant_to_all_rewards_changes_nothing(
    change: Callable[[Array], Array],
) -> None:
    policy = FPLPolicy()
    arms, rewards = [0, 1, 1, 2], np.array([1.0, 0.0, 0.5, 0.25])
    laws = [
        policy.propensities(
            policy.update(policy.init(n_arms=3), rows(arms, paid, [0.5, 0.25, 0.25, 0.1]))
        )
        for paid in (rewards, change(rewards))
    ]
    np.testing.assert_allclose(laws[0], laws[1], rtol=1e-10)


def test_losses_count_from_the_largest_reward() -> None:
    """Rewards 3 and 1 at propensity ½ and 1: losses 0 and 2."""
    policy = FPLPolicy(eta=1.0)
    state = policy.update(policy.init(n_arms=2), rows([0, 1], [3.0, 1.0], [0.5, 1.0]))
    assert policy.propensities(state)[1] == pytest.approx(np.exp(-2.0) / 2.0)
    lower = policy.update(policy.init(n_arms=2), rows([0, 1], [-3.0, -5.0], [0.5, 1.0]))
    assert policy.propensities(lower)[1] == pytest.approx(np.exp(-2.0) / 2.0)


def test_rewards_of_a_few_hundred_overflow_nothing() -> None:
    policy = FPLPolicy()
    rng = np.random.default_rng(2)
    batch = rows(rng.integers(3, size=500), rng.normal(300.0, 100.0, 500), [1e-3] * 500)
    law = policy.propensities(policy.update(policy.init(n_arms=3), batch))
    assert np.isfinite(law).all()
    assert law.sum() == pytest.approx(1.0)


def test_merged_histories_are_one_history() -> None:
    policy = FPLPolicy()
    empty = policy.init(n_arms=2)
    a = policy.update(empty, rows([0], [-4.0], [0.5]))
    b = policy.update(empty, rows([1], [-2.0], [0.5]))
    merged = policy.merge(a, b)
    assert float(merged.largest_reward) == -2.0
    assert float(policy.merge(empty, a).largest_reward) == -4.0
    np.testing.assert_array_equal(merged.weight, [2.0, 2.0])


def test_a_masked_leader_leaves_the_race_to_the_others() -> None:
    law = FPLPolicy(eta=1.0).propensities(
        behind(np.array([0.0, 1.0, 1.0])), mask=np.array([False, True, True])
    )
    assert law == pytest.approx([0.0, 0.5, 0.5])


def test_the_wire_knows_it_by_name() -> None:
    assert get("FPLPolicy")().parameters() == {"eta": 5.0}


def test_batches_can_be_cut_anywhere() -> None:
    assert_cuts_and_padding_change_nothing(FPLPolicy())
