"""Thompson sampling: posterior probabilities worked by hand, exact regret."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.policies.beta_ts import BetaTSPolicy, Outcomes
from tests.policies.numbers import assert_exact, law, rows


def seen(successes: list[float], failures: list[float]) -> Outcomes:
    """A state of sums."""
    return Outcomes(successes=np.array(successes), failures=np.array(failures))


@pytest.mark.parametrize(
    ("successes", "failures", "first"),
    [
        ([0.0, 0.0], [0.0, 0.0], 1 / 2),
        ([1.0, 0.0], [0.0, 0.0], 2 / 3),  # E[X] of X ~ Beta(2, 1), against a uniform number
        ([1.0, 0.0], [0.0, 1.0], 5 / 6),  # 1 - ∫ 2x (1 - x)² dx, Beta(2, 1) against Beta(1, 2)
        ([3.0, 0.0], [0.0, 0.0], 4 / 5),
    ],
)
def test_an_arm_is_as_likely_as_it_is_best(
    successes: list[float], failures: list[float], first: float
) -> None:
    found = law(BetaTSPolicy(), seen(successes, failures))
    assert found == pytest.approx([first, 1.0 - first], abs=1e-9)


def test_the_prior_acts_like_observations() -> None:
    """Beta(1 + 1, 1) against Beta(1, 1) and Beta(2, 1) against Beta(2, 1) of a prior of 2."""
    assert law(BetaTSPolicy(alpha_prior=2.0), seen([0.0, 0.0], [0.0, 0.0])) == [0.5, 0.5]
    asymmetric = law(BetaTSPolicy(alpha_prior=2.0), seen([0.0, -1.0], [0.0, 0.0]))
    assert asymmetric == pytest.approx([2 / 3, 1 / 3], abs=1e-9)


def test_a_bounded_reward_is_a_part_success_and_a_part_failure() -> None:
    policy = BetaTSPolicy()
    state = policy.update(policy.init(n_arms=2), rows([0, 0, 1], [0.25, 1.0, 0.0]))
    assert state.successes.tolist() == [1.25, 0.0]
    assert state.failures.tolist() == [0.75, 1.0]


def test_exact_regret_on_two_arms() -> None:
    assert_exact(BetaTSPolicy(), {5: 0.234627, 10: 0.439518, 20: 0.795189, 40: 1.380659})


def test_sampling_stays_finite_for_the_flattest_priors() -> None:
    policy = BetaTSPolicy(alpha_prior=1e-3, beta_prior=1e-3)
    many = Outcomes(successes=np.zeros((1000, 3)), failures=np.zeros((1000, 3)))
    arms = policy.sample(many, rng=np.random.default_rng(1))
    assert set(arms.tolist()) == {0, 1, 2}
