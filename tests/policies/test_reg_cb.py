"""RegCB: bounds by hand and by the definition, survivors, its optimistic relative."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.policies.lin_ucb import LinUCBPolicy
from qbrix.policies.reg_cb import RegCBPolicy
from tests.policies.linear import observed, shares


def test_arms_survive_whose_highest_reaches_the_best_lowest() -> None:
    """θ = ¾, ½, 0 of 3, 1 and no observations, A = 4, 2, 1: widths ½, .7071, 1.

    β = 0.04: [.65, .85], [.3586, .6414], [−.2, .2]; β = 0.09 lifts .5 + .2121 over .75 − .15.
    β = 1 lifts the unseen 0 + 1 over .75 − .5.
    """
    batch = observed([0, 0, 0, 1], [1.0, 1.0, 1.0, 1.0], [[1.0]] * 4)
    policy = RegCBPolicy(beta=0.04)
    state = policy.update(policy.init(n_arms=3, dim=1), batch)
    low, high = policy.bounds(policy.prepare(state), np.array([1.0]))
    assert low.tolist() == pytest.approx([0.65, 0.5 - 0.2 * 0.5**0.5, -0.2], abs=1e-15)
    assert high.tolist() == pytest.approx([0.85, 0.5 + 0.2 * 0.5**0.5, 0.2], abs=1e-15)
    assert shares(policy, state, [1.0]) == [1.0, 0.0, 0.0]
    assert shares(RegCBPolicy(beta=0.09), state, [1.0]) == [0.5, 0.5, 0.0]
    assert shares(RegCBPolicy(beta=1.0), state, [1.0]) == pytest.approx([1 / 3] * 3, abs=1e-15)
    assert shares(policy, state, [1.0], mask=[False, True, True]) == [0.0, 1.0, 0.0]


def test_without_width_it_is_greedy_and_ties_share() -> None:
    policy = RegCBPolicy(beta=0.0)
    batch = observed([0, 1], [1.0, 1.0], [[1.0], [1.0]])
    state = policy.update(policy.init(n_arms=3, dim=1), batch)
    assert shares(policy, state, [1.0]) == [0.5, 0.5, 0.0]


def test_bounds_are_the_extremes_over_regressions_of_small_excess() -> None:
    """Penalised squared errors by definition: no θ on the boundary predicts more, one as much.

    θ = θ̂ + √β A^(−½) u for 20,000 unit vectors u covers the ellipse to 1e-7 of its width.
    """
    rng = np.random.default_rng(7)
    x, rewards = rng.standard_normal((12, 2)), rng.standard_normal(12)
    policy = RegCBPolicy(beta=0.7, prior_precision=2.0)
    state = policy.update(
        policy.init(n_arms=1, dim=2), observed([0] * 12, rewards.tolist(), x.tolist())
    )
    best = np.linalg.lstsq(
        np.vstack([x, np.sqrt(2.0) * np.eye(2)]), np.append(rewards, [0.0, 0.0]), rcond=None
    )[0]
    angle = np.linspace(0.0, 2.0 * np.pi, 20_000)
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=-1)

    def error(theta: np.ndarray) -> np.ndarray:
        residual = rewards - theta @ x.T
        return np.asarray((residual**2).sum(-1) + 2.0 * (theta**2).sum(-1))

    excess = error(best + direction) - error(best)
    theta = best + direction * np.sqrt(0.7 / excess)[:, None]
    np.testing.assert_allclose(error(theta) - error(best), 0.7, rtol=1e-9)
    context = np.array([0.4, -1.3])
    low, high = policy.bounds(policy.prepare(state), context)
    predicted = theta @ context
    np.testing.assert_allclose([low[0], high[0]], [predicted.min(), predicted.max()], atol=1e-6)


def test_the_largest_bound_is_linucbs_choice() -> None:
    rng = np.random.default_rng(8)
    arms, rewards = rng.integers(0, 4, 30), rng.standard_normal(30)
    batch = observed(arms.tolist(), rewards.tolist(), rng.standard_normal((30, 3)).tolist())
    regcb, linucb = RegCBPolicy(beta=2.25), LinUCBPolicy(alpha=1.5)
    state = regcb.update(regcb.init(n_arms=4, dim=3), batch)
    contexts = rng.standard_normal((50, 3))
    highest = regcb.bounds(regcb.prepare(state), contexts)[1].argmax(-1)
    chosen = linucb.propensities(linucb.prepare(state), contexts).argmax(-1)
    assert highest.tolist() == chosen.tolist()
