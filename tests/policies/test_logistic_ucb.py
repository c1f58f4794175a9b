"""Logistic UCB: an index of log-odds, worked by hand."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from qbrix.policies.logistic_ucb import LogisticUCBPolicy
from tests.policies.linear import observed


def test_the_bound_is_that_of_the_log_odds() -> None:
    """λ = 1 / (1 + e), one success at x = 1: θ = 1, H = λ + p (1 − p) with p = e / (1 + e).

    Arm 0 scores 1 + α / √H = 1 + α · 1.4656, an unseen arm α / √λ = α · 1.9283: they are level at
    α = 2.161.
    """
    for alpha, expected in ((2.16, [1.0, 0.0]), (2.17, [0.0, 1.0])):
        policy = LogisticUCBPolicy(lambda_=1.0 / (1.0 + exp(1.0)), alpha=alpha)
        state = policy.update(policy.init(n_arms=2, dim=1), observed([0], [1.0], [[1.0]]))
        law = policy.propensities(policy.prepare(state), np.ones(1))
        assert law.tolist() == expected


def test_without_a_bound_it_is_greedy() -> None:
    policy = LogisticUCBPolicy(alpha=0.0)
    state = policy.update(
        policy.init(n_arms=3, dim=1), observed([0, 1, 1], [0.0, 1.0, 0.0], [[1.0]] * 3)
    )
    mask = np.array([True, False, True])
    prepared = policy.prepare(state)
    assert policy.propensities(prepared, np.ones(1)).tolist() == [0.0, 0.5, 0.5]
    assert policy.propensities(prepared, np.ones(1), mask=mask).tolist() == [0.0, 0.0, 1.0]
    drawn = policy.sample(prepared, np.ones((200, 1)), rng=np.random.default_rng(1))
    assert set(drawn.tolist()) == {1, 2}


def test_where_rewards_are_rare_more_of_them_are_needed() -> None:
    """The width of an arm that never paid shrinks slower than that of one that paid every second.

    20 observations at p near 0 weigh less than 20 at p = ½.
    """
    policy = LogisticUCBPolicy()
    state = policy.update(
        policy.init(n_arms=2, dim=1), observed([0, 1] * 20, [0.0, 1.0, 0.0, 0.0] * 10, [[1.0]] * 40)
    )
    never, half = policy.estimate(policy.prepare(state), np.ones(1))[1]
    assert half == pytest.approx((1.0 + 20.0 * 0.25) ** -0.5)
    assert never > 1.3 * half
