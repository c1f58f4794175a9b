"""Linear Thompson sampling with unknown noise: the posterior by hand, and by drawing from it."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.policies.nig_lin_ts import NIGLinTSPolicy
from qbrix.policies.normal_inverse_gamma_ts import NormalInverseGammaTSPolicy
from tests.policies.linear import observed, shares
from tests.policies.numbers import law, rows


def test_the_posterior_of_one_feature() -> None:
    """Rewards 1, 2, 3 and λ = 1: A = 4, θ = 6/4, α = 5/2, β = 1 + (14 − 36/4) / 2 = 7/2."""
    policy = NIGLinTSPolicy()
    batch = observed([0, 0, 0], [1.0, 2.0, 3.0], [[1.0]] * 3)
    state = policy.update(policy.init(n_arms=2, dim=1), batch)
    prepared = policy.prepare(state)
    assert prepared.coefficients.tolist() == pytest.approx(np.array([[1.5], [0.0]]), abs=1e-15)
    assert prepared.variance.tolist() == pytest.approx([1.4, 1.0], abs=1e-15)
    assert prepared.freedom.tolist() == [5.0, 2.0]
    mean, scale, freedom = policy._posterior(prepared, np.array([2.0]))
    assert mean.tolist() == pytest.approx([3.0, 0.0], abs=1e-15)
    assert scale.tolist() == pytest.approx([(4 * 1.4 / 4) ** 0.5, 2.0], abs=1e-15)
    assert freedom.tolist() == [5.0, 2.0]


def test_two_unknown_arms_and_a_known_one() -> None:
    """A thousand equal rewards 1 leave a width of 0.03 % around 1000/1001.

    Unseen arms score t with 2 degrees of freedom, F(z) = (1 + z / √(2 + z²)) / 2, so the known arm
    is the best with F(0.999)², which the width moves by less than 1e-5 (its mean is symmetric).
    """
    policy = NIGLinTSPolicy(prior_scale=1.0)
    batch = observed([0] * 1000, [1.0] * 1000, [[1.0]] * 1000)
    state = policy.update(policy.init(n_arms=3, dim=1), batch)
    z = 1000 / 1001
    known = (0.5 + 0.5 * z / (2 + z * z) ** 0.5) ** 2
    expected = [known, (1 - known) / 2, (1 - known) / 2]
    assert shares(policy, state, [1.0]) == pytest.approx(expected, abs=1e-5)


def test_a_constant_feature_is_the_policy_without_context() -> None:
    """The same posterior, there in 1024 quantiles: 0.2 % apart at most."""
    arms, rewards = [0, 1, 1, 2, 0, 0, 2], [0.3, 1.2, 0.8, -0.5, 0.9, 0.1, 0.4]
    with_context, without = NIGLinTSPolicy(), NormalInverseGammaTSPolicy()
    state = with_context.update(
        with_context.init(n_arms=3, dim=1), observed(arms, rewards, [[1.0]] * 7)
    )
    other = without.update(without.init(n_arms=3), rows(arms, rewards))
    assert shares(with_context, state, [1.0]) == pytest.approx(law(without, other), abs=2e-3)


def test_propensities_are_frequencies_of_the_best_under_joint_draws() -> None:
    """σ² from its inverse gamma, then θ from N(θ̂, σ² A⁻¹), per arm, 200,000 times.

    Each frequency is within 6 standard errors of the propensity: false alarm < 1e-8. Seed 4.
    """
    rng = np.random.default_rng(4)
    contexts, rewards, n = rng.standard_normal((30, 2)), rng.standard_normal(30), 200_000
    arms = rng.integers(0, 3, 30)
    policy = NIGLinTSPolicy(prior_precision=0.5, prior_shape=1.5, prior_scale=0.4)
    state = policy.update(
        policy.init(n_arms=3, dim=2), observed(arms.tolist(), rewards.tolist(), contexts.tolist())
    )
    x = np.array([0.4, -1.1])
    scores = np.empty((n, 3))
    for arm in range(3):
        features, paid = contexts[arms == arm], rewards[arms == arm]
        precision = 0.5 * np.eye(2) + features.T @ features
        center = np.linalg.solve(precision, features.T @ paid)
        beta = 0.4 + 0.5 * (paid @ paid - center @ precision @ center)
        noise = beta / rng.gamma(1.5 + len(paid) / 2, size=n)
        unit = rng.multivariate_normal(np.zeros(2), np.linalg.inv(precision), size=n)
        scores[:, arm] = (center + np.sqrt(noise)[:, None] * unit) @ x
    found = np.bincount(scores.argmax(-1), minlength=3) / n
    expected = np.array(shares(policy, state, x.tolist()))
    assert (np.abs(found - expected) <= 6.0 * np.sqrt(expected * (1.0 - expected) / n)).all()


def test_a_context_of_zeros_tells_nothing() -> None:
    policy = NIGLinTSPolicy()
    state = policy.update(policy.init(n_arms=3, dim=2), observed([0], [5.0], [[1.0, 1.0]]))
    assert shares(policy, state, [0.0, 0.0]) == pytest.approx([1 / 3] * 3, abs=1e-15)
    assert shares(policy, state, [0.0, 0.0], mask=[True, False, True]) == [0.5, 0.0, 0.5]
