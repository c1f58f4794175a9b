"""Softmax over ridge regressions: shares by hand, no overflow, masks."""

from __future__ import annotations

from math import log

import pytest

from qbrix.policies.lin_softmax import LinSoftmaxPolicy
from tests.policies.linear import observed, shares


def test_shares_are_in_proportion_to_exponentials_of_expectations() -> None:
    """θ = reward / (1 + 1): log 4 and log 2 after rewards of twice that; weights 4, 2 and 1."""
    policy = LinSoftmaxPolicy(temperature=1.0)
    batch = observed([0, 1], [2 * log(4.0), 2 * log(2.0)], [[1.0], [1.0]])
    state = policy.update(policy.init(n_arms=3, dim=1), batch)
    assert shares(policy, state, [1.0]) == pytest.approx([4 / 7, 2 / 7, 1 / 7], abs=1e-15)
    assert shares(policy, state, [2.0]) == pytest.approx([16 / 21, 4 / 21, 1 / 21], abs=1e-15)
    cold = LinSoftmaxPolicy(temperature=0.5)
    assert shares(cold, state, [1.0]) == pytest.approx([16 / 21, 4 / 21, 1 / 21], abs=1e-15)
    mask = [False, True, True]
    assert shares(policy, state, [1.0], mask=mask) == pytest.approx([0, 2 / 3, 1 / 3], abs=1e-15)


def test_expectations_of_any_size_make_a_law() -> None:
    policy = LinSoftmaxPolicy(temperature=1e-3)
    batch = observed([0, 1, 2], [2e9, -2e9, 2e9], [[1.0]] * 3)
    state = policy.update(policy.init(n_arms=3, dim=1), batch)
    assert shares(policy, state, [1.0]) == [0.5, 0.0, 0.5]
