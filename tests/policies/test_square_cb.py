"""SquareCB: Algorithm 1 by hand, the schedule, ties as the average over the choice of b."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.policies.square_cb import SquareCBPolicy
from tests.policies.linear import observed, shares

CONSTANT = SquareCBPolicy(gamma_scale=8.0, gamma_exponent=0.0)


def test_inverse_gap_weighting() -> None:
    """Expectations ½, ¼, 0 and γ = 8: 1 / (3 + 2), 1 / (3 + 4) and the rest for the best."""
    batch = observed([0, 1], [1.0, 0.5], [[1.0], [1.0]])
    state = CONSTANT.update(CONSTANT.init(n_arms=3, dim=1), batch)
    law = shares(CONSTANT, state, [1.0])
    assert law == pytest.approx([1 - 1 / 5 - 1 / 7, 1 / 5, 1 / 7], abs=1e-15)
    mask = [False, True, True]
    assert shares(CONSTANT, state, [1.0], mask=mask) == pytest.approx([0, 3 / 4, 1 / 4], abs=1e-15)


def test_best_arms_that_tie_average_over_the_choice_of_b() -> None:
    """Expectations ½, ½, 0: whichever is b, it gets 1 − 1/3 − 1/7 and the other 1/3."""
    batch = observed([0, 1], [1.0, 1.0], [[1.0], [1.0]])
    state = CONSTANT.update(CONSTANT.init(n_arms=3, dim=1), batch)
    assert shares(CONSTANT, state, [1.0]) == pytest.approx([3 / 7, 3 / 7, 1 / 7], abs=1e-15)


def test_the_law_grows_steeper_with_the_square_root_of_the_round() -> None:
    """8 observations of rewards 0 but one: round 9, γ = 2 · 3; θ = 0.9 / 9 of the first arm."""
    policy = SquareCBPolicy(gamma_scale=2.0)
    batch = observed([0] * 8, [0.9] + [0.0] * 7, [[1.0]] * 8)
    state = policy.update(policy.init(n_arms=2, dim=1), batch)
    worse = 1.0 / (2.0 + 6.0 * 0.1)
    assert shares(policy, state, [1.0]) == pytest.approx([1.0 - worse, worse], abs=1e-15)


def test_the_expected_gap_is_at_most_arms_over_gamma() -> None:
    """Lemma 3 of the paper rests on Σ p_a (r̂_b − r̂_a) ≤ K / γ, for whatever expectations."""
    rng = np.random.default_rng(6)
    batch = observed(
        rng.integers(0, 5, 40).tolist(),
        rng.standard_normal(40).tolist(),
        rng.standard_normal((40, 3)).tolist(),
    )
    state = CONSTANT.update(CONSTANT.init(n_arms=5, dim=3), batch)
    contexts = 3.0 * rng.standard_normal((200, 3))
    prepared = CONSTANT.prepare(state)
    expected = CONSTANT.expected(prepared, contexts)
    law = CONSTANT.propensities(prepared, contexts)
    gap = expected.max(-1, keepdims=True) - expected
    assert ((law * gap).sum(-1) <= 5 / 8.0).all()
