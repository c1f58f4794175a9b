"""EXP4: two rounds of its paper by hand, experts that are arms, the bound, refused advice."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from qbrix.errors import InvalidParameter, ShapeError
from qbrix.policies.exp3 import EXP3Policy
from qbrix.policies.exp4 import EXP4Policy, ExpertRewards
from qbrix.types import Interactions
from tests.policies.linear import observed, shares
from tests.policies.numbers import law, rows


def advised(
    arms: list[int], rewards: list[float], propensities: list[float], advice: list[list[float]]
) -> Interactions:
    """Rows with advice for a state without leading axes."""
    batch = rows(arms, rewards, propensities)
    return Interactions(
        arms=batch.arms,
        rewards=batch.rewards,
        propensities=batch.propensities,
        state_versions=batch.state_versions,
        contexts=np.array(advice),
    )


def test_first_two_rounds_of_section_7() -> None:
    """K = 2, γ = ½; advice (1, 0) and (½, ½): ¾ and ¼, so p₀ = ½ · ¾ + ¼ = ⅝.

    A reward of 1 counts 1.6: ŷ = 1.6 and 0.8, weights exp(γ ŷ / K) = e^0.4 and e^0.2.
    """
    policy = EXP4Policy(gamma=0.5)
    state = policy.init(n_arms=2, dim=4)
    first = [1.0, 0.0, 0.5, 0.5]
    assert shares(policy, state, first) == pytest.approx([0.625, 0.375], abs=1e-15)
    state = policy.update(state, advised([0], [1.0], [0.625], [first]))
    assert state.weighted_reward.tolist() == pytest.approx([1.6, 0.8], abs=1e-15)
    trust = exp(0.4) / (exp(0.4) + exp(0.2))
    second = [0.0, 1.0, 1.0, 0.0]
    expected = [0.5 * (1.0 - trust) + 0.25, 0.5 * trust + 0.25]
    assert shares(policy, state, second) == pytest.approx(expected, abs=1e-15)


def test_a_reward_counts_over_the_propensity_that_was_logged() -> None:
    """0.2 · 0.5 / 0.1 + 0.6 · 1 / 0.25 for the first expert; padding and arm 2 pay nothing."""
    policy = EXP4Policy()
    advice = [[0.8, 0.2, 0.0, 0.0, 0.0, 1.0], [0.4, 0.6, 0.0, 0.3, 0.3, 0.4], [1 / 3] * 6]
    batch = advised([1, 1, -1], [0.5, 1.0, 1.0], [0.1, 0.25, 0.5], advice)
    state = policy.update(policy.init(n_arms=3, dim=6), batch)
    assert state.weighted_reward.tolist() == pytest.approx([3.4, 1.2], abs=1e-15)
    assert state.pulls.tolist() == [0.0, 2.0, 0.0]


def test_experts_that_always_advise_one_arm_are_exp3() -> None:
    experts, arms = EXP4Policy(gamma=0.3), EXP3Policy(gamma=0.3)
    advice = np.eye(3).reshape(-1).tolist()
    chosen, paid, logged = [0, 2, 2, 1, 0], [1.0, 0.5, 0.2, 0.0, 0.9], [0.3, 0.4, 0.2, 0.1, 0.5]
    one = experts.update(experts.init(n_arms=3, dim=9), advised(chosen, paid, logged, [advice] * 5))
    other = arms.update(arms.init(n_arms=3), rows(chosen, paid, logged))
    assert shares(experts, one, advice) == pytest.approx(law(arms, other), abs=1e-9)


def test_sums_of_any_size_make_a_law() -> None:
    policy = EXP4Policy(gamma=0.5)
    state = ExpertRewards(weighted_reward=np.array([1e9, 1e12]), pulls=np.zeros(2))
    assert shares(policy, state, [1.0, 0.0, 0.25, 0.75]) == [0.375, 0.625]


def test_the_mixture_is_conditioned_on_the_allowed_arms() -> None:
    """Mixture (½, ¼, ¼) without arm 0: (½, ½). An expert of arm 0 alone leaves a uniform choice."""
    policy = EXP4Policy(gamma=0.4)
    state = policy.init(n_arms=3, dim=6)
    mask = [False, True, True]
    both = shares(policy, state, [1.0, 0.0, 0.0, 0.0, 0.5, 0.5], mask=mask)
    assert both == pytest.approx([0.0, 0.5, 0.5], abs=1e-15)
    skewed = shares(policy, state, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], mask=mask)
    assert skewed == pytest.approx([0.0, 0.8, 0.2], abs=1e-15)
    only = shares(policy, state, [1.0, 0.0, 0.0] * 2, mask=mask)
    assert only == pytest.approx([0.0, 0.5, 0.5], abs=1e-15)


def test_the_best_expert_is_missed_by_less_than_the_bound() -> None:
    """Theorem 7.1: ≤ (e − 1) γ G + K ln N / γ, with arms that take turns and one expert who knows.

    The bound is 200 of 2000 rounds. Regret of 40 runs has a standard error below 5 and lies far
    below: a false alarm would need more than ten of them (p < 1e-6). Seed 5.
    """
    horizon, runs, n_arms, n_experts = 2000, 40, 2, 4
    gamma = (n_arms * np.log(n_experts) / ((np.e - 1) * horizon)) ** 0.5
    policy = EXP4Policy(gamma=float(gamma))
    rng = np.random.default_rng(5)
    state = ExpertRewards(
        weighted_reward=np.zeros((runs, n_experts)), pulls=np.zeros((runs, n_arms))
    )
    advice = np.full((n_experts, n_arms), 0.5)
    earned = 0.0
    for t in range(horizon):
        best = t // 7 % 2
        advice[0], advice[1], advice[2] = np.eye(2)[best], [0.9, 0.1], [0.1, 0.9]
        contexts = np.tile(advice.reshape(-1), (runs, 1))
        propensities = policy.propensities(state, contexts)
        arms = (rng.random(runs) >= propensities[:, 0]).astype(np.int64)
        paid = (arms == best).astype(np.float64)
        earned += float(paid.sum())
        batch = Interactions(
            arms=arms[:, None],
            rewards=paid[:, None],
            propensities=propensities[np.arange(runs), arms][:, None],
            state_versions=np.full((runs, 1), t),
            contexts=contexts[:, None],
        )
        policy.update_in_place(state, batch)
    regret = horizon - earned / runs
    bound = (np.e - 1) * gamma * horizon + n_arms * np.log(n_experts) / gamma
    assert regret <= bound, regret


@pytest.mark.parametrize("bad", [[0.5, 0.6], [1.5, -0.5], [0.0, 0.0]])
def test_advice_that_is_no_distribution_is_refused(bad: list[float]) -> None:
    policy = EXP4Policy()
    state = policy.init(n_arms=2, dim=4)
    with pytest.raises(InvalidParameter, match="context: expert 1 advises"):
        shares(policy, state, [0.5, 0.5, *bad])
    with pytest.raises(InvalidParameter, match="context: expert 1 advises"):
        policy.update(state, observed([0], [1.0], [[0.5, 0.5, *bad]]))


def test_the_width_is_a_multiple_of_the_arms() -> None:
    with pytest.raises(InvalidParameter, match="dim = 5, EXP4Policy needs a multiple of the 2"):
        EXP4Policy().init(n_arms=2, dim=5)
    with pytest.raises(ShapeError, match="context has 6 features, EXP4Policy needs 4"):
        shares(EXP4Policy(), EXP4Policy().init(n_arms=2, dim=4), [0.5] * 6)
