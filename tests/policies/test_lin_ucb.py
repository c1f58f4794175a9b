"""LinUCB: ridge regressions worked by hand, the state's sums, following the inverse."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.errors import InvalidParameter
from qbrix.policies.lin_ucb import LinUCBPolicy
from tests.policies.linear import assert_followed, observed, shares


def test_one_feature_is_a_shrunken_mean_and_its_error() -> None:
    """Three rewards of 1: θ = 3 / (1 + 3), width 1/√4; an unseen arm: 0 and 1."""
    policy = LinUCBPolicy(alpha=1.0)
    state = policy.update(
        policy.init(n_arms=2, dim=1), observed([0, 0, 0], [1.0, 1.0, 1.0], [[1.0]] * 3)
    )
    mean, width = policy.estimate(policy.prepare(state), np.array([1.0]))
    assert mean.tolist() == pytest.approx([0.75, 0.0], abs=1e-15)
    assert width.tolist() == pytest.approx([0.5, 1.0], abs=1e-15)
    assert shares(policy, state, [1.0]) == [1.0, 0.0]  # 1.25 against 1
    assert shares(LinUCBPolicy(alpha=2.0), state, [1.0]) == [0.0, 1.0]  # 1.75 against 2


def test_two_features() -> None:
    """A = I + x xᵀ for x = (1, 1) has the inverse I − x xᵀ / 3; reward 3 gives θ = (1, 1)."""
    policy = LinUCBPolicy()
    state = policy.update(policy.init(n_arms=1, dim=2), observed([0], [3.0], [[1.0, 1.0]]))
    prepared = policy.prepare(state)
    assert prepared.coefficients[0].tolist() == pytest.approx([1.0, 1.0], abs=1e-15)
    widths = [policy.estimate(prepared, np.array(x))[1][0] ** 2 for x in ([1.0, 1.0], [1.0, -1.0])]
    assert widths == pytest.approx([2 / 3, 2.0], abs=1e-15)


def test_prior_precision_acts_at_once() -> None:
    """λ = 3: θ = 3 / (3 + 3)."""
    state = LinUCBPolicy().update(
        LinUCBPolicy().init(n_arms=1, dim=1), observed([0, 0, 0], [1.0, 1.0, 1.0], [[1.0]] * 3)
    )
    prepared = LinUCBPolicy(prior_precision=3.0).prepare(state)
    assert prepared.coefficients[0, 0] == pytest.approx(0.5, abs=1e-15)


def test_the_state_holds_sums_and_no_prior() -> None:
    """x xᵀ of (1, 2) and (0, 3): 1, 2 and 4 + 9 on and above the diagonal."""
    policy = LinUCBPolicy()
    state = policy.update(
        policy.init(n_arms=2, dim=2), observed([1, 1], [2.0, 1.0], [[1.0, 2.0], [0.0, 3.0]])
    )
    assert state.precision.tolist() == [[0.0, 0.0, 0.0], [1.0, 2.0, 13.0]]
    assert state.moment.tolist() == [[0.0, 0.0], [2.0, 7.0]]
    assert state.pulls.tolist() == [0.0, 2.0]


def test_all_arms_tie_before_the_first_observation() -> None:
    policy = LinUCBPolicy()
    assert shares(policy, policy.init(n_arms=4, dim=2), [1.0, 0.3]) == [0.25] * 4


def test_followed_inverses_stay_with_the_factorised_ones() -> None:
    """2000 rows of 12 features."""
    assert_followed(LinUCBPolicy(), dim=12, steps=2000)


def test_it_needs_a_feature() -> None:
    with pytest.raises(InvalidParameter, match="LinUCBPolicy needs at least 1 feature"):
        LinUCBPolicy().init(n_arms=2)
