"""Hybrid LinUCB: Algorithm 2 line by line, one big regression, the corrections of `advance`."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.errors import InvalidParameter, ShapeError
from qbrix.policies.lin_ucb_hybrid import LinUCBHybridPolicy
from qbrix.types import Array
from tests.policies.linear import followed, observed, shares

ARMS, SHARED, OWN = 3, 2, 4


def history(seed: int, *, rows: int) -> tuple[list[int], list[float], Array]:
    """Random arms, rewards and contexts of 3 arms with 2 features each, and 4 common ones."""
    rng = np.random.default_rng(seed)
    arms, rewards = rng.integers(0, ARMS, rows), rng.standard_normal(rows)
    return arms.tolist(), rewards.tolist(), rng.standard_normal((rows, ARMS * SHARED + OWN))


def parts(context: Array) -> tuple[Array, Array]:
    """z of every arm, and x."""
    return context[: ARMS * SHARED].reshape(ARMS, SHARED), context[ARMS * SHARED :]


def algorithm_2(
    arms: list[int], rewards: list[float], contexts: Array, *, at: Array
) -> tuple[Array, Array]:
    """Means and widths after the history, by the lines of Algorithm 2 of Li et al. (2010)."""
    a0, b0 = np.eye(SHARED), np.zeros(SHARED)
    a = [np.eye(OWN) for _ in range(ARMS)]
    cross = [np.zeros((OWN, SHARED)) for _ in range(ARMS)]
    b = [np.zeros(OWN) for _ in range(ARMS)]
    for arm, reward, context in zip(arms, rewards, contexts, strict=True):
        every, x = parts(context)
        z = every[arm]
        inverse = np.linalg.inv(a[arm])
        a0 = a0 + cross[arm].T @ inverse @ cross[arm]
        b0 = b0 + cross[arm].T @ inverse @ b[arm]
        a[arm] = a[arm] + np.outer(x, x)
        cross[arm] = cross[arm] + np.outer(x, z)
        b[arm] = b[arm] + reward * x
        inverse = np.linalg.inv(a[arm])
        a0 = a0 + np.outer(z, z) - cross[arm].T @ inverse @ cross[arm]
        b0 = b0 + reward * z - cross[arm].T @ inverse @ b[arm]
    beta, inverse_0 = np.linalg.solve(a0, b0), np.linalg.inv(a0)
    every, x = parts(at)
    mean, square = np.empty(ARMS), np.empty(ARMS)
    for arm, z in enumerate(every):
        inverse = np.linalg.inv(a[arm])
        theta = inverse @ (b[arm] - cross[arm] @ beta)
        mean[arm] = z @ beta + x @ theta
        square[arm] = (
            z @ inverse_0 @ z
            - 2.0 * z @ inverse_0 @ cross[arm].T @ inverse @ x
            + x @ inverse @ x
            + x @ inverse @ cross[arm] @ inverse_0 @ cross[arm].T @ inverse @ x
        )
    return mean, np.sqrt(square)


def test_it_is_algorithm_2() -> None:
    arms, rewards, contexts = history(1, rows=50)
    at = np.random.default_rng(2).standard_normal(ARMS * SHARED + OWN)
    policy = LinUCBHybridPolicy(arm_features=SHARED)
    state = policy.update(
        policy.init(n_arms=ARMS, dim=at.size), observed(arms, rewards, contexts.tolist())
    )
    found = policy.estimate(policy.prepare(state), at)
    np.testing.assert_allclose(found, algorithm_2(arms, rewards, contexts, at=at), atol=1e-12)


def test_it_is_one_regression_of_all_coefficients() -> None:
    """(z, 0, …, x at the arm's place, …, 0) with λ = 0.5, all 2 + 3 · 4 coefficients at once."""
    arms, rewards, contexts = history(3, rows=50)
    at = np.random.default_rng(4).standard_normal(ARMS * SHARED + OWN)

    def joint(context: Array, arm: int) -> Array:
        every, x = parts(context)
        return np.concatenate([every[arm], np.kron(np.eye(ARMS)[arm], x)])

    design = np.stack([joint(c, arm) for c, arm in zip(contexts, arms, strict=True)])
    covariance = np.linalg.inv(0.5 * np.eye(design.shape[1]) + design.T @ design)
    coefficients = covariance @ design.T @ np.array(rewards)
    asked = np.stack([joint(at, arm) for arm in range(ARMS)])
    width = np.sqrt(np.einsum("ai,ij,aj->a", asked, covariance, asked))

    policy = LinUCBHybridPolicy(arm_features=SHARED, prior_precision=0.5)
    state = policy.update(
        policy.init(n_arms=ARMS, dim=at.size), observed(arms, rewards, contexts.tolist())
    )
    found = policy.estimate(policy.prepare(state), at)
    np.testing.assert_allclose(found, (asked @ coefficients, width), atol=1e-12)


def test_one_feature_of_each_kind() -> None:
    """A reward of 3 at z = x = 1 of arm 0 splits evenly: A = 2, B = 1, A₀ = 2 − ½, b₀ = 3 − 3/2.

    β = 1 and θ₀ = (3 − 1) / 2 = 1. At z = (1, 1), x = 1: means 2 and 1; w = ½ and 1, so widths
    √(½ + ¼ / 1.5) = √(2/3) and √(1 + 1 / 1.5) = √(5/3). Indices are equal at α = 2.107.
    """
    policy = LinUCBHybridPolicy(arm_features=1)
    batch = observed([0], [3.0], [[1.0, 5.0, 1.0]])
    state = policy.update(policy.init(n_arms=2, dim=3), batch)
    mean, width = policy.estimate(policy.prepare(state), np.array([1.0, 1.0, 1.0]))
    assert mean.tolist() == pytest.approx([2.0, 1.0], abs=1e-15)
    assert (width**2).tolist() == pytest.approx([2 / 3, 5 / 3], abs=1e-15)
    for alpha, law in ((2.1, [1.0, 0.0]), (2.12, [0.0, 1.0])):
        bolder = LinUCBHybridPolicy(arm_features=1, alpha=alpha)
        assert shares(bolder, state, [1.0, 1.0, 1.0]) == law
    assert shares(policy, state, [1.0, 1.0, 1.0], mask=[False, True]) == [0.0, 1.0]


def test_equal_features_tie_before_the_first_observation() -> None:
    policy = LinUCBHybridPolicy(arm_features=1)
    assert shares(policy, policy.init(n_arms=3, dim=4), [0.5, -0.5, 0.1, 1.0]) == [0.5, 0.5, 0.0]


def test_followed_regressions_stay_with_the_factorised_ones() -> None:
    """1000 rows; means and widths of three contexts, to 1e-10."""
    policy = LinUCBHybridPolicy(arm_features=SHARED)
    dim = 4 * SHARED + OWN
    prepared, anew = followed(policy, dim=dim, steps=1000)
    at = np.random.default_rng(8).standard_normal((3, dim))
    np.testing.assert_allclose(policy.estimate(prepared, at), policy.estimate(anew, at), atol=1e-10)


def test_it_needs_a_common_feature() -> None:
    with pytest.raises(InvalidParameter, match=r"dim = 6, .*\(arm_features=2\) needs more than"):
        LinUCBHybridPolicy(arm_features=2).init(n_arms=3, dim=6)


def test_a_batch_of_another_width_is_refused() -> None:
    policy = LinUCBHybridPolicy(arm_features=1)
    with pytest.raises(ShapeError, match="context has 5 features, LinUCBHybridPolicy needs 4"):
        policy.update(policy.init(n_arms=3, dim=4), observed([0], [1.0], [[1.0] * 5]))
