"""Uniform sampling: turns."""

from __future__ import annotations

import numpy as np

from qbrix.policies.uniform_sampling import UniformSamplingPolicy
from qbrix.types import Interactions
from tests.policies.numbers import law, seen


def test_who_was_observed_least_is_next() -> None:
    policy = UniformSamplingPolicy()
    assert law(policy, seen([0, 0, 0, 0], [0, 0, 0, 0])) == [0.25] * 4
    assert law(policy, seen([3, 2, 3, 2], [3, 0, 0, 0])) == [0.0, 0.5, 0.0, 0.5]


def test_a_masked_arm_holds_nobody_up() -> None:
    mask = np.array([True, False, True])
    found = UniformSamplingPolicy().propensities(seen([1, 0, 2], [0, 0, 0]), mask=mask)
    assert found.tolist() == [1.0, 0.0, 0.0]


def test_every_arm_is_observed_once_in_each_turn() -> None:
    policy, rng = UniformSamplingPolicy(), np.random.default_rng(2)
    state = policy.init(n_arms=5)
    for _ in range(40):
        arm = policy.sample(state, rng=rng).reshape(1)
        one = np.ones(1)
        batch = Interactions(
            arms=arm, rewards=one, propensities=one, state_versions=np.zeros(1, dtype=np.int64)
        )
        state = policy.update(state, batch)
        assert state.pulls.max() - state.pulls.min() <= 1.0
    assert state.pulls.tolist() == [8.0] * 5
