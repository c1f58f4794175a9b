"""The gradient bandit: steps on paper, bits, and the ten-armed testbed."""

from __future__ import annotations

import numpy as np

from qbrix.policies._exponential import decay, exact_softmax
from qbrix.policies.gradient_bandit import GradientBanditPolicy, Preferences
from tests.policies.numbers import best_in_testbed, rows


def test_exponential_of_sums_and_products() -> None:
    x = np.concatenate([np.linspace(0.0, 5.0, 1001), np.linspace(5.0, 700.0, 1001)])
    np.testing.assert_allclose(decay(x), np.exp(-x), rtol=1e-13)
    assert decay(np.array([701.0, 1e300])).tolist() == [0.0, 0.0]


def test_softmax_under_a_mask() -> None:
    law = exact_softmax(np.array([900.0, np.log(3.0), 0.0]), np.array([False, True, True]))
    np.testing.assert_allclose(law, [0.0, 0.75, 0.25], atol=1e-15)


def test_two_steps_by_hand() -> None:
    """The first reward is the baseline. Then α (3 − 1) = 0.2 times ([a = A] − 1/3)."""
    policy = GradientBanditPolicy(step_size=0.1)
    state = policy.update(policy.init(n_arms=3), rows([2, 0], [1.0, 3.0], [1 / 3, 1 / 3]))
    np.testing.assert_allclose(state.preference, [0.4 / 3, -0.2 / 3, -0.2 / 3], atol=1e-15)
    assert [state.count.item(), state.total_reward.item()] == [2.0, 4.0]


def test_a_logged_propensity_weighs_the_step() -> None:
    """Logged with 2/3 where the law is 1/3: half of the step above."""
    policy = GradientBanditPolicy(step_size=0.1)
    state = policy.update(policy.init(n_arms=3), rows([2, 0], [1.0, 3.0], [1 / 3, 2 / 3]))
    np.testing.assert_allclose(state.preference, [0.2 / 3, -0.1 / 3, -0.1 / 3], atol=1e-15)


def test_the_step_is_an_unbiased_gradient_whatever_was_logged() -> None:
    """Σ_A p_A E[step | A] = α π_a (q_a − Σ_b π_b q_b) for any p, any baseline."""
    policy = GradientBanditPolicy(step_size=1.0)
    state = Preferences(
        preference=np.array([0.3, -0.2, 0.1]), count=np.array(4.0), total_reward=np.array(2.0)
    )
    values, logged = np.array([1.0, 0.2, -0.4]), np.array([0.5, 0.2, 0.3])
    steps = [
        policy.update(state, rows([arm], [values[arm]], [logged[arm]])).preference
        - state.preference
        for arm in range(3)
    ]
    law = np.exp(state.preference) / np.exp(state.preference).sum()
    np.testing.assert_allclose(logged @ np.array(steps), law * (values - law @ values), atol=1e-14)


def test_share_of_the_best_arm_in_the_testbed() -> None:
    """85.5 % at step 1000, as in figure 2.5 of Sutton and Barto; 4 of our standard errors."""
    best = best_in_testbed(GradientBanditPolicy(), replications=1000, horizon=1000)
    assert abs(best.mean() - 0.855) < 4.0 * best.std() / np.sqrt(best.size)
