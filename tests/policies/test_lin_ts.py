"""Linear Thompson sampling: probabilities in closed form for two arms."""

from __future__ import annotations

from math import erf, sqrt

import numpy as np
import pytest

from qbrix.policies.lin_ts import LinTSPolicy
from tests.policies.linear import observed


@pytest.mark.parametrize("v", [0.1, 1.0, 3.0])
def test_two_arms_compare_like_two_normals(v: float) -> None:
    """Scores N(3/4, v²/4) and N(0, v²): the first is larger with Φ(0.75 / (v √1.25))."""
    policy = LinTSPolicy(v=v)
    state = policy.update(
        policy.init(n_arms=2, dim=1), observed([0, 0, 0], [1.0, 1.0, 1.0], [[1.0]] * 3)
    )
    law = policy.propensities(policy.prepare(state), np.array([1.0]))
    expected = 0.5 * (1.0 + erf(0.75 / (v * sqrt(1.25)) / sqrt(2.0)))
    assert law.tolist() == pytest.approx([expected, 1.0 - expected], abs=1e-10)


def test_a_context_of_zeros_tells_nothing() -> None:
    policy = LinTSPolicy()
    state = policy.update(policy.init(n_arms=3, dim=2), observed([0], [5.0], [[1.0, 1.0]]))
    prepared = policy.prepare(state)
    assert policy.propensities(prepared, np.zeros(2)).tolist() == pytest.approx([1 / 3] * 3)
    many = np.zeros((300, 2))
    assert set(policy.sample(prepared, many, rng=np.random.default_rng(3)).tolist()) == {0, 1, 2}


def test_scores_in_reward_space_have_the_law_of_sampled_coefficients() -> None:
    """θ drawn from N(θ̂, v² A⁻¹) per arm and multiplied by x, 200,000 times.

    Each frequency is within 6 standard errors of the propensity: false alarm < 1e-8. Seed 4.
    """
    rng = np.random.default_rng(4)
    contexts, n = rng.standard_normal((30, 2)), 200_000
    policy = LinTSPolicy(v=0.7, prior_precision=2.0)
    arms, rewards = rng.integers(0, 3, 30).tolist(), rng.standard_normal(30).tolist()
    state = policy.update(policy.init(n_arms=3, dim=2), observed(arms, rewards, contexts.tolist()))
    x = np.array([0.4, -1.1])
    scores = np.empty((n, 3))
    for arm in range(3):
        first, both, second = state.precision[arm]
        precision = np.array([[first + 2.0, both], [both, second + 2.0]])
        theta = rng.multivariate_normal(
            np.linalg.solve(precision, state.moment[arm]), 0.49 * np.linalg.inv(precision), size=n
        )
        scores[:, arm] = theta @ x
    found = np.bincount(scores.argmax(-1), minlength=3) / n
    law = policy.propensities(policy.prepare(state), x)
    assert (np.abs(found - law) <= 6.0 * np.sqrt(law * (1.0 - law) / n)).all()
