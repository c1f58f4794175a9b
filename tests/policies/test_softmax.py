"""Boltzmann exploration: the law on paper."""

from __future__ import annotations

import numpy as np

from qbrix.policies.softmax import SoftmaxPolicy
from tests.policies.numbers import law, seen


def test_a_temperature_more_is_a_factor_of_e() -> None:
    """Means 0.3, 0.2, 0.1 with τ = 0.1: weights e², e, 1 over 11.107338."""
    found = law(SoftmaxPolicy(temperature=0.1), seen([1, 1, 2], [0.3, 0.2, 0.2]))
    np.testing.assert_allclose(found, [0.6652409, 0.2447285, 0.0900306], atol=1e-7)


def test_unobserved_arms_come_first() -> None:
    policy = SoftmaxPolicy()
    assert law(policy, seen([3, 0, 0], [3, 0, 0])) == [0.0, 0.5, 0.5]
    mask = np.array([True, False, False])
    assert policy.propensities(seen([3, 0, 0], [3, 0, 0]), mask=mask).tolist() == [1.0, 0.0, 0.0]


def test_large_rewards_do_not_overflow() -> None:
    assert law(SoftmaxPolicy(temperature=1e-3), seen([1, 1], [1e6, -1e6])) == [1.0, 0.0]
