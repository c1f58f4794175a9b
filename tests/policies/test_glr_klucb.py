"""GLR-klUCB, its likelihood ratio and the logarithm behind it."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.environments import PiecewiseStationary
from qbrix.policies._change import largest_ratio
from qbrix.policies._elementary import natural_log, x_log_x
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.glr_klucb import GLRKLUCBPolicy
from qbrix.simulator import simulate
from tests.policies.numbers import (
    SEED,
    assert_cuts_and_padding_change_nothing,
    rows,
)


def test_the_logarithm_is_one() -> None:
    x = np.concatenate([np.logspace(-300, 300, 5001), np.linspace(0.4, 3.0, 5001)])
    np.testing.assert_allclose(natural_log(x), np.log(x), rtol=1e-15, atol=1e-300)
    assert natural_log(np.array([1.0]))[0] == 0.0
    np.testing.assert_array_equal(x_log_x(np.array([0.0, 1.0])), [0.0, 0.0])


def test_the_ratio_by_hand() -> None:
    """Six zeros, six ones: 6 kl(0, ½) + 6 kl(1, ½) = 12 ln 2, in blocks of 1 and of 3 alike."""
    n, total = np.array([12.0]), np.array([6.0])
    single = np.repeat([[0.0, 1.0]], 6, axis=-1).reshape(1, 12)
    ratio = largest_ratio(single, length=np.array([1.0]), n=n, total=total)
    assert ratio == pytest.approx(12.0 * np.log(2.0))
    triple = np.array([[0.0, 0.0, 3.0, 3.0]])
    ratio = largest_ratio(triple, length=np.array([3.0]), n=n, total=total)
    assert ratio == pytest.approx(12.0 * np.log(2.0))


def test_the_ratio_is_that_of_the_divergences() -> None:
    """s kl(μ₁, μ) + (n − s) kl(μ₂, μ) for rewards in [0, 1], the largest over all s < n."""

    def kl(p: float, q: float) -> float:
        return float(p * np.log(p / q) + (1.0 - p) * np.log((1.0 - p) / (1.0 - q)))

    rewards = np.random.default_rng(5).uniform(0.05, 0.95, 9)
    mean = rewards.mean()
    found = largest_ratio(
        rewards[np.newaxis], length=np.ones(1), n=np.array([9.0]), total=rewards.sum(keepdims=True)
    )
    expected = max(
        s * kl(rewards[:s].mean(), mean) + (9 - s) * kl(rewards[s:].mean(), mean)
        for s in range(1, 9)
    )
    assert found == pytest.approx(expected)


def test_the_alarm_comes_with_the_second_one_after_six_zeros() -> None:
    """δ = ½: 6 ln(7/6) + ln 7 = 2.87 < ln(2 · 7^1.5) = 3.61; 6 ln(4/3) + 2 ln 4 = 4.50 > 3.81."""
    policy = GLRKLUCBPolicy(delta=0.5, every=1)
    state = policy.update(policy.init(n_arms=2), rows([1] + [0] * 7, [1] + [0] * 6 + [1]))
    assert float(state.alarms) == 0.0
    state = policy.update(state, rows([0], [1]))
    assert float(state.alarms) == 1.0
    np.testing.assert_array_equal(state.pulls, [0.0, 0.0])
    np.testing.assert_array_equal(state.block_reward, np.zeros((2, 64)))


def test_a_test_that_is_not_due_is_not_made() -> None:
    policy = GLRKLUCBPolicy(delta=0.5, every=9)
    state = policy.update(policy.init(n_arms=1), rows([0] * 8, [0] * 6 + [1, 1]))
    assert float(state.alarms) == 0.0
    assert float(policy.update(state, rows([0], [1])).alarms) == 1.0


def test_blocks_join_when_there_is_no_room() -> None:
    """Four blocks: after four rewards they are two of length 2, the fifth begins the third."""
    policy = GLRKLUCBPolicy(splits=2, delta=1e-9)
    start = policy.init(n_arms=1)
    state = policy.update(start, rows([0] * 4, [0.5, 0.25, 0.0, 1.0]))
    np.testing.assert_array_equal(state.block_reward, [[0.75, 1.0, 0.0, 0.0]])
    np.testing.assert_array_equal(state.block_length, [2.0])
    state = policy.update(state, rows([0], [0.125]))
    np.testing.assert_array_equal(state.block_reward, [[0.75, 1.0, 0.125, 0.0]])


def test_a_change_is_found_however_long_the_history_and_coarse_the_blocks() -> None:
    """1000 zeros and 40 ones: near 40 ln 26 + 1000 ln 1.04 = 170, far above ln(1040^1.5/δ) = 20."""
    policy = GLRKLUCBPolicy(splits=4, delta=1e-4)
    batch = rows([0] * 1040, [0] * 1000 + [1] * 40)
    assert float(policy.update(policy.init(n_arms=1), batch).alarms) >= 1.0


def test_what_alternates_raises_no_alarm() -> None:
    policy = GLRKLUCBPolicy(delta=0.5, every=1)
    state = policy.update(policy.init(n_arms=1), rows([0] * 600, [0, 1] * 300))
    assert float(state.alarms) == 0.0


def test_the_index_by_hand() -> None:
    """Four rounds: kl(0, q) = −ln(1 − q) = ln 5 for q = .8; three ones leave nothing above 1."""
    policy = GLRKLUCBPolicy(alpha=0.2)
    state = policy.update(policy.init(n_arms=2), rows([0, 1, 1, 1], [0, 1, 1, 1]))
    assert policy.prepare(state) == pytest.approx([0.8, 1.0], abs=1e-6)


def test_batches_can_be_cut_anywhere() -> None:
    assert_cuts_and_padding_change_nothing(GLRKLUCBPolicy(splits=2, delta=0.5, every=1))


def test_where_the_best_arm_falls_it_loses_less_than_half_of_what_thompson_sampling_loses() -> None:
    """(.3, .9) for 700 rounds, then (.3, .1), 20 runs in the same rounds.

    Thompson sampling needs some 1300 zeros before .9 has become .3; an alarm comes within some 20.
    The difference is over 20 standard errors: a new seed changes nothing.
    """
    result = simulate(
        {"restarts": GLRKLUCBPolicy(), "goes on": BetaTSPolicy()},
        PiecewiseStationary([(0.3, 0.9), (0.3, 0.1)], changes=[700]),
        horizon=1500,
        replications=20,
        seed=SEED,
        progress=False,
    )
    restarts, goes_on = (result.traces[name].regret[:, -1] for name in ("restarts", "goes on"))
    assert restarts.mean() < goes_on.mean() / 2.0
