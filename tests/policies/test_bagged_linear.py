"""Bagging: fixed coins that behave like coins, models by direct solution, votes by counting."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.policies._hashing import fractions, mixed, row_words, tosses
from qbrix.policies.bagged_linear import BaggedLinearPolicy, _priors
from tests.policies.linear import observed


def test_the_mixing_function_is_splitmix64() -> None:
    """The generator's first outputs from seed 0, as its authors and others publish them."""
    golden = 0x9E3779B97F4A7C15
    states = np.array([0, golden, (2 * golden) % 2**64], dtype=np.uint64)
    printed = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert mixed(states).tolist() == printed


def test_the_coins_are_fair_and_no_two_models_toss_alike() -> None:
    """20,000 rows: every frequency and every pairwise agreement within 6 standard errors of ½.

    False alarm below 64² / 2 × 2e-9 for true coins.
    """
    rng = np.random.default_rng(1)
    n = 20_000
    words = row_words(rng.integers(0, 3, n), np.arange(float(n)), np.zeros(n), np.ones((n, 2)))
    heads = tosses(words, count=64).astype(np.float64)
    error = 6.0 * 0.5 / np.sqrt(n)
    assert np.abs(heads.mean(0) - 0.5).max() < error
    signs = 2.0 * heads - 1.0
    agreement = (signs.T @ signs / n - np.eye(64)) / 2.0
    assert np.abs(agreement).max() < error
    assert np.abs((signs[1:] * signs[:-1]).mean(0) / 2.0).max() < error


def test_whatever_differs_between_two_rows_tosses_new_coins() -> None:
    arm, count, reward, x = np.array([1]), np.array([4.0]), np.array([0.5]), np.array([[1.0, 2.0]])
    words = [
        row_words(arm, count, reward, x),
        row_words(arm + 1, count, reward, x),
        row_words(arm, count + 1.0, reward, x),
        row_words(arm, count, reward + 1e-16, x),
        row_words(arm, count, np.nextafter(reward, 1.0), x),
        row_words(arm, count, reward, x[:, ::-1]),
    ]
    assert len({int(word[0]) for word in words}) == 5


def test_priors_are_normal_balanced_and_do_not_depend_on_the_number_of_arms() -> None:
    """64,000 numbers: mean 0 by symmetry, variance within 6 standard errors √(2/n) of 1."""
    priors = _priors(50, 64, 40)
    assert priors.mean() == pytest.approx(0.0, abs=1e-15)
    assert priors.var() == pytest.approx(1.0, abs=6.0 * np.sqrt(2.0 / 64_000))
    np.testing.assert_array_equal(_priors(2, 64, 40), priors[:2])
    assert np.unique(fractions(mixed(np.arange(1000, dtype=np.uint64)))).size == 1000


def test_every_model_is_the_ridge_regression_of_its_own_rows() -> None:
    rng = np.random.default_rng(2)
    contexts, rewards = rng.standard_normal((30, 3)), rng.standard_normal(30)
    arms = rng.integers(0, 2, 30)
    policy = BaggedLinearPolicy(models=5, prior_precision=0.5, prior_scale=2.0)
    batch = observed(arms.tolist(), rewards.tolist(), contexts.tolist())
    prepared = policy.prepare(policy.update(policy.init(n_arms=2, dim=3), batch))
    for arm in range(2):
        own = arms == arm
        x, r = contexts[own], rewards[own]
        words = row_words(np.full(len(r), arm), np.arange(float(len(r))), r, x)
        for model in range(5):
            w = 2.0 * tosses(words, count=5)[:, model]
            matrix = 0.5 * np.eye(3) + (x.T * w) @ x
            right = 0.5 * 2.0 * _priors(2, 5, 3)[arm, model] + x.T @ (w * r)
            found = np.linalg.solve(matrix, right)
            np.testing.assert_allclose(prepared[model, arm], found, atol=1e-12)


def test_propensities_are_votes() -> None:
    """Models (1, 0), (0, 1), (2, 2) and (3, 1) for x = 1: arm 0 has 1 + ½ + 1 votes of 4."""
    policy = BaggedLinearPolicy(models=4)
    prepared = np.array([[[1.0], [0.0]], [[0.0], [1.0]], [[2.0], [2.0]], [[3.0], [1.0]]])
    law = policy.propensities(prepared, np.array([1.0]))
    assert law.tolist() == [0.625, 0.375]
    backwards = policy.propensities(prepared, np.array([-1.0]))
    assert backwards.tolist() == [0.375, 0.625]


def test_models_disagree_as_much_as_the_data_leave_open() -> None:
    """A mean of n = 400 rewards of variance 1: the models' spread is near 1/√n = 0.05.

    Double or nothing multiplies squared residuals by 1 on average. 64 models estimate a standard
    deviation to 9 %; the tolerance is 5 times that. Seed 3.
    """
    rng = np.random.default_rng(3)
    policy = BaggedLinearPolicy(models=64, prior_precision=1e-6)
    rewards = rng.standard_normal(400) + 2.0
    batch = observed([0] * 400, rewards.tolist(), [[1.0]] * 400)
    prepared = policy.prepare(policy.update(policy.init(n_arms=1, dim=1), batch))
    assert prepared.std() == pytest.approx(0.05, rel=0.45)
    assert prepared.mean() == pytest.approx(2.0, abs=0.25)


def test_without_data_the_models_priors_vote() -> None:
    """Symmetric priors: with two arms at x, one vote and its mirror image."""
    policy = BaggedLinearPolicy(models=64)
    prepared = policy.prepare(policy.init(n_arms=2, dim=2))
    np.testing.assert_allclose(policy.propensities(prepared, np.ones(2)), [0.5, 0.5], atol=1e-15)
    three = policy.prepare(policy.init(n_arms=3, dim=2))
    assert (policy.propensities(three, np.ones(2)) > 0.1).all()
