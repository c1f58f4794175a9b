"""LinUCB with shared coefficients: by hand, for unseen arms, following the inverse."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.errors import InvalidParameter, ShapeError, StateMismatch
from qbrix.policies.lin_ucb import LinUCBPolicy
from qbrix.policies.lin_ucb_shared import LinUCBSharedPolicy
from tests.policies.linear import assert_followed, observed, shares


def test_one_feature_an_arm() -> None:
    """Rewards 2 at x₀ = 1 and 1 at x₁ = 2: A = 1 + 1 + 4, θ = (2 + 2) / 6.

    Then x = (3, −4): 2 + 3 α / √6 against −8/3 + 4 α / √6, equal at α = 14 √6 / 3 = 11.43.
    """
    policy = LinUCBSharedPolicy(alpha=11.0)
    batch = observed([0, 1], [2.0, 1.0], [[1.0, 7.0], [7.0, 2.0]])
    state = policy.update(policy.init(n_arms=2, dim=2), batch)
    assert state.precision.tolist() == [5.0]
    assert state.moment.tolist() == [4.0]
    assert state.pulls.tolist() == [1.0, 1.0]
    assert policy.prepare(state).coefficients.tolist() == pytest.approx([2 / 3], abs=1e-15)
    assert shares(policy, state, [3.0, -4.0]) == [1.0, 0.0]
    assert shares(LinUCBSharedPolicy(alpha=12.0), state, [3.0, -4.0]) == [0.0, 1.0]
    assert shares(policy, state, [3.0, -4.0], mask=[False, True]) == [0.0, 1.0]


def test_two_features_an_arm() -> None:
    """A = I + x xᵀ for x = (1, 1) has the inverse I − x xᵀ / 3; reward 3 gives θ = (1, 1).

    x = (1, 1): 2 + √(2/3) α, x = (2, −1): 1 + √(14/3) α, x = (0, 0): 0. Equal at α = .744.
    """
    batch = observed([1], [3.0], [[9.0, 9.0, 1.0, 1.0, 9.0, 9.0]])
    state = LinUCBSharedPolicy().update(LinUCBSharedPolicy().init(n_arms=3, dim=6), batch)
    context = [1.0, 1.0, 2.0, -1.0, 0.0, 0.0]
    assert shares(LinUCBSharedPolicy(alpha=0.74), state, context) == [1.0, 0.0, 0.0]
    assert shares(LinUCBSharedPolicy(alpha=0.75), state, context) == [0.0, 1.0, 0.0]


def test_arms_of_equal_features_tie() -> None:
    policy = LinUCBSharedPolicy()
    batch = observed([0] * 3, [1.0] * 3, [[1.0, 0.0, 1.0, 0.0, 0.0, 1.0]] * 3)
    state = policy.update(policy.init(n_arms=3, dim=6), batch)
    assert shares(LinUCBSharedPolicy(alpha=0.0), state, [1, 0, 1, 0, 0, 1]) == [0.5, 0.5, 0.0]


def test_a_block_of_features_for_each_arm_is_linucb_with_disjoint_arms() -> None:
    """x_a = e_a ⊗ x: one regression over K d coefficients falls apart into K."""
    rng = np.random.default_rng(5)
    shared, disjoint = LinUCBSharedPolicy(alpha=0.8), LinUCBPolicy(alpha=0.8)
    arms, rewards, x = rng.integers(0, 3, 40), rng.standard_normal(40), rng.standard_normal((40, 2))
    blocks = np.einsum("ab,ni->nabi", np.eye(3), x).reshape(40, -1)
    one = shared.update(
        shared.init(n_arms=3, dim=18), observed(arms.tolist(), rewards.tolist(), blocks.tolist())
    )
    each = disjoint.update(
        disjoint.init(n_arms=3, dim=2), observed(arms.tolist(), rewards.tolist(), x.tolist())
    )
    np.testing.assert_array_equal(
        shared.propensities(shared.prepare(one), blocks),
        disjoint.propensities(disjoint.prepare(each), x),
    )
    np.testing.assert_allclose(
        shared.prepare(one).coefficients,
        disjoint.prepare(each).coefficients.reshape(-1),
        atol=1e-12,
    )


def test_followed_inverses_stay_with_the_factorised_ones() -> None:
    """1000 rows, 4 arms of 8 features each."""
    assert_followed(LinUCBSharedPolicy(), dim=32, steps=1000)


@pytest.mark.parametrize("dim", [0, 2, 7])
def test_the_width_is_a_multiple_of_the_arms(dim: int) -> None:
    with pytest.raises(InvalidParameter, match=rf"dim = {dim}, LinUCBSharedPolicy .* 3 arms"):
        LinUCBSharedPolicy().init(n_arms=3, dim=dim)


def test_a_batch_of_another_width_is_refused() -> None:
    policy = LinUCBSharedPolicy()
    with pytest.raises(ShapeError, match="context has 4 features, LinUCBSharedPolicy needs 6"):
        policy.update(policy.init(n_arms=3, dim=6), observed([0], [1.0], [[1.0] * 4]))


def test_arms_cannot_be_added() -> None:
    policy = LinUCBSharedPolicy()
    with pytest.raises(StateMismatch, match="numbers for every arm"):
        policy.grow(policy.init(n_arms=3, dim=6), n_arms=4)
