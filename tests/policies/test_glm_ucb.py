"""GLM-UCB: an index of rewards, worked by hand."""

from __future__ import annotations

from math import exp, sqrt

import numpy as np
import pytest

from qbrix.policies.glm_ucb import GLMUCBPolicy
from tests.policies.linear import observed


def test_the_bonus_is_added_to_the_chance_of_a_reward() -> None:
    """λ = 1 / (1 + e), one success at x = 1: σ(θ) = e / (1 + e) = 0.7311, M = λ + 1 = 1.2689.

    Arm 0 scores 0.7311 + α · 0.8877, an unseen arm ½ + α · 1.9283: they are level at α = 0.222.
    """
    for alpha, expected in ((0.221, [1.0, 0.0]), (0.223, [0.0, 1.0])):
        policy = GLMUCBPolicy(lambda_=1.0 / (1.0 + exp(1.0)), alpha=alpha)
        state = policy.update(policy.init(n_arms=2, dim=1), observed([0], [1.0], [[1.0]]))
        law = policy.propensities(policy.prepare(state), np.ones(1))
        assert law.tolist() == expected


def test_the_bonus_depends_on_contexts_alone() -> None:
    """Rewards change the estimate and leave the spread: M = I + diag(8, 2) for both arms."""
    policy = GLMUCBPolicy(alpha=1.0)
    contexts = [[2.0, 1.0], [2.0, -1.0]]
    batch = observed([0, 0, 1, 1], [1.0, 1.0, 0.0, 0.0], contexts * 2)
    prepared = policy.prepare(policy.update(policy.init(n_arms=2, dim=2), batch))
    assert prepared.spread[0].tolist() == pytest.approx([1 / 9, 0.0, 1 / 3])
    np.testing.assert_array_equal(prepared.spread[0], prepared.spread[1])
    assert policy.propensities(prepared, np.array([1.0, 0.0])).tolist() == [1.0, 0.0]
    assert policy.propensities(prepared, np.array([-1.0, 0.0])).tolist() == [0.0, 1.0]
    assert policy.propensities(prepared, np.array([0.0, 1.0])).tolist() == [0.5, 0.5]


def test_the_index_at_a_context() -> None:
    """The unseen arm at x = (3, 4): ½ + α · 5 / √λ."""
    policy = GLMUCBPolicy(alpha=0.1, lambda_=4.0)
    prepared = policy.prepare(policy.init(n_arms=1, dim=2))
    assert prepared.spread[0].tolist() == [0.25, 0.0, 0.25]
    assert sqrt(prepared.spread[0, 0] * 9.0 + prepared.spread[0, 2] * 16.0) == 2.5
