"""Logistic policies: the maximum that they find, and the laws that follow from it."""

from __future__ import annotations

from math import erf, exp, sqrt

import numpy as np
import pytest
from scipy.optimize import minimize

from qbrix.policies._logistic import sigmoid
from qbrix.policies.logistic_ts import LogisticTSPolicy
from qbrix.types import Array
from tests.policies.linear import observed


def exact_maximum(contexts: Array, rewards: Array, *, lambda_: float) -> tuple[Array, Array]:
    """Penalised maximum likelihood by a general minimiser, and the second derivative there."""

    def objective(theta: Array) -> float:
        odds = contexts @ theta
        penalty = lambda_ / 2.0 * theta @ theta
        return float((np.logaddexp(0.0, odds) - rewards * odds).sum() + penalty)

    def slope(theta: Array) -> Array:
        return contexts.T @ (sigmoid(contexts @ theta) - rewards) + lambda_ * theta

    start = np.zeros(contexts.shape[1])
    found = minimize(objective, start, jac=slope, method="BFGS", options={"gtol": 1e-9}).x
    p = sigmoid(contexts @ found)
    return found, (contexts.T * (p * (1 - p))) @ contexts + lambda_ * np.eye(start.size)


def clicks(n: int, dim: int, *, seed: int) -> tuple[Array, Array]:
    """Contexts with a constant feature, and rewards with odds around 1 to 20."""
    rng = np.random.default_rng(seed)
    contexts = np.c_[np.ones(n), rng.standard_normal((n, dim - 1))]
    theta = np.r_[-3.0, rng.standard_normal(dim - 1)]
    return contexts, (rng.random(n) < sigmoid(contexts @ theta)).astype(np.float64)


def test_one_success_has_the_maximum_that_can_be_worked_by_hand() -> None:
    """λθ = 1 − σ(θ) for x = 1, r = 1: λ = 1 / (1 + e) makes θ = 1."""
    policy = LogisticTSPolicy(lambda_=1.0 / (1.0 + exp(1.0)))
    state = policy.update(policy.init(n_arms=1, dim=1), observed([0], [1.0], [[1.0]]))
    assert policy.prepare(state).coefficients.item() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("lr", [0.1, 1.0])
def test_within_the_window_decisions_are_made_at_the_exact_penalised_maximum(lr: float) -> None:
    contexts, rewards = clicks(32, 4, seed=1)
    policy = LogisticTSPolicy(lambda_=0.5, lr=lr)
    batch = observed([1] * 32, rewards.tolist(), contexts.tolist())
    prepared = policy.prepare(policy.update(policy.init(n_arms=2, dim=4), batch))
    exact, second = exact_maximum(contexts, rewards, lambda_=0.5)
    np.testing.assert_allclose(prepared.coefficients[1], exact, atol=1e-6)
    np.testing.assert_array_equal(prepared.coefficients[0], np.zeros(4))
    width = policy.estimate(prepared, contexts[0])[1][1]
    assert width == pytest.approx(sqrt(contexts[0] @ np.linalg.solve(second, contexts[0])))


@pytest.mark.parametrize(("window", "near"), [(32, 0.75), (256, 0.15)])
@pytest.mark.parametrize("n", [300, 1000])
def test_beyond_it_the_state_approaches_the_exact_maximum(n: int, window: int, near: float) -> None:
    """Within a share of a posterior standard deviation, as a root mean square over directions.

    The coefficients of the state, a lag of 1/lr observations behind, are about as near.
    """
    contexts, rewards = clicks(n, 4, seed=2)
    policy = LogisticTSPolicy(window=window)
    batch = observed([0] * n, rewards.tolist(), contexts.tolist())
    state = policy.update(policy.init(n_arms=1, dim=4), batch)
    exact, second = exact_maximum(contexts, rewards, lambda_=1.0)
    for found, lag in ((policy.prepare(state).coefficients[0], 0.0), (state.coefficients[0], 0.1)):
        assert sqrt((found - exact) @ second @ (found - exact) / 4) < near + lag


@pytest.mark.parametrize(("lambda_", "error"), [(0.1, 0.001), (1.0, 0.003)])
def test_an_arm_of_five_percent_is_predicted_at_five_percent(lambda_: float, error: float) -> None:
    """One success in each 20: the prior counts once, not once per observation (that gives 41 %)."""
    policy, rounds = LogisticTSPolicy(lambda_=lambda_), 200
    n = 20 * rounds
    rewards = ([0.0] * 7 + [1.0] + [0.0] * 12) * rounds
    batch = observed([0] * n, rewards, [[1.0]] * n)
    state = policy.update(policy.init(n_arms=1, dim=1), batch)
    predicted = sigmoid(policy.estimate(policy.prepare(state), np.ones(1))[0])
    assert predicted.item() == pytest.approx(0.05, abs=error)
    assert sigmoid(state.coefficients).item() == pytest.approx(0.05, abs=2.0 * error)


def test_the_step_of_the_state_is_a_share_of_newton_s() -> None:
    """At θ = 0: F″ = λ + ¼, −F′ = r − ½; the first step is lr (½) / (1 + ¼) = 0.4 lr."""
    for lr in (0.1, 0.5, 1.0):
        policy = LogisticTSPolicy(lr=lr)
        state = policy.update(policy.init(n_arms=2, dim=1), observed([1], [1.0], [[1.0]]))
        assert state.coefficients.tolist() == [[0.0], [pytest.approx(0.4 * lr, rel=1e-14)]]


def test_with_many_features_one_longer_step_stands_for_several() -> None:
    """64 features: nothing moves at the first row; then F″ = 1 + 2/4, −F′ = 2/2, share 1 − 0.9²."""
    policy = LogisticTSPolicy()
    x = [1.0] + [0.0] * 63
    once = policy.update(policy.init(n_arms=1, dim=64), observed([0], [1.0], [x]))
    assert not once.coefficients.any()
    twice = policy.update(once, observed([0], [1.0], [x]))
    assert twice.coefficients[0, 0] == pytest.approx((1.0 - 0.9**2) / 1.5)


def test_what_leaves_the_window_becomes_its_expansion() -> None:
    """Window 1, lr ½: the first row leaves at θ = 0.2 with x = 2, log-odds 0.4."""
    policy = LogisticTSPolicy(lr=0.5, window=1)
    state = policy.update(
        policy.init(n_arms=1, dim=1), observed([0, 0], [1.0, 0.0], [[2.0], [1.0]])
    )
    # −F′(0) = 2 · ½, F″(0) = 1 + 4 · ¼: a Newton step of ½ that moves the log-odds by 1.
    p = 1.0 / (1.0 + np.exp(-0.5))
    w = p * (1.0 - p)
    assert state.precision.tolist() == [[pytest.approx(4.0 * w)]]
    assert state.moment.tolist() == [[pytest.approx(2.0 * (w * 0.5 + 1.0 - p))]]
    assert state.recent_contexts.tolist() == [[[1.0]]]


def test_two_arms_compare_like_two_normals() -> None:
    """Scores N(m, 1 / h) and N(0, 1 / λ) for one feature of 1."""
    policy = LogisticTSPolicy(lambda_=2.0)
    state = policy.update(
        policy.init(n_arms=2, dim=1), observed([0] * 3, [1.0, 1.0, 0.0], [[1.0]] * 3)
    )
    exact, second = exact_maximum(np.ones((3, 1)), np.array([1.0, 1.0, 0.0]), lambda_=2.0)
    law = policy.propensities(policy.prepare(state), np.ones(1))
    z = exact[0] / sqrt(1.0 / second[0, 0] + 0.5)
    assert law[0] == pytest.approx(0.5 * (1.0 + erf(z / sqrt(2.0))), abs=1e-7)


def test_huge_contexts_and_separable_data_stay_finite() -> None:
    rng = np.random.default_rng(3)
    contexts = rng.standard_normal((300, 3)) * 10.0 ** rng.integers(-3, 5, (300, 1))
    rewards = (contexts[:, 0] > 0).astype(np.float64)
    policy = LogisticTSPolicy(lr=1.0)
    batch = observed(rng.integers(0, 2, 300).tolist(), rewards.tolist(), contexts.tolist())
    prepared = policy.prepare(policy.update(policy.init(n_arms=2, dim=3), batch))
    law = policy.propensities(prepared, contexts)
    assert np.isfinite(law).all()
    assert np.abs(law.sum(-1) - 1.0).max() < 1e-12


def test_a_thousand_arms_are_prepared_in_blocks() -> None:
    """Every arm has the maximum of its own observation, whichever block it falls into."""
    policy, n_arms = LogisticTSPolicy(), 1000
    batch = observed(list(range(n_arms)), [1.0] * n_arms, [[1.0] + [0.0] * 39] * n_arms)
    prepared = policy.prepare(policy.update(policy.init(n_arms=n_arms, dim=40), batch))
    expected = exact_maximum(np.ones((1, 1)), np.ones(1), lambda_=1.0)[0]
    np.testing.assert_allclose(prepared.coefficients[:, 0], np.full(n_arms, expected), atol=1e-7)
    assert np.abs(prepared.coefficients[:, 1:]).max() == 0.0
