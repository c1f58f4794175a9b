"""Uniform choice."""

from __future__ import annotations

import numpy as np

from qbrix.policies.random import RandomPolicy
from tests.policies.numbers import assert_exact, law, rows


def test_every_arm_is_as_likely_whatever_was_seen() -> None:
    policy = RandomPolicy()
    state = policy.update(policy.init(n_arms=4), rows([1, 1, 2], [5.0, -2.0, 0.0]))
    assert law(policy, state) == [0.25, 0.25, 0.25, 0.25]
    assert state.pulls.tolist() == [0.0, 2.0, 1.0, 0.0]


def test_allowed_arms_share_what_masked_ones_lose() -> None:
    policy = RandomPolicy()
    mask = np.array([True, False, True, False])
    shares = policy.propensities(policy.init(n_arms=4), mask=mask)
    assert shares.tolist() == [0.5, 0.0, 0.5, 0.0]


def test_regret_is_half_the_gap_a_round_on_two_arms() -> None:
    assert_exact(RandomPolicy(), {1: 0.05, 10: 0.5})
