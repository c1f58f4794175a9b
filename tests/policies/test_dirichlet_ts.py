"""Thompson sampling over reward levels: counts on paper, Beta posteriors as the case k = 2."""

from __future__ import annotations

import numpy as np

from qbrix.policies._beta_best_arm import beta_best_arm
from qbrix.policies.dirichlet_ts import DirichletTSPolicy, Levels
from tests.policies.numbers import rows


def test_a_reward_between_levels_is_split_so_that_its_mean_stays() -> None:
    """Levels 0, ½, 1: a reward of 0.3 is 0.4 of level 0 and 0.6 of level ½."""
    policy = DirichletTSPolicy(k=3)
    state = policy.update(policy.init(n_arms=2), rows([0, 1, 1], [0.3, 1.0, 0.5]))
    np.testing.assert_allclose(state.counts, [[0.4, 0.6, 0.0], [0.0, 1.0, 1.0]], atol=1e-15)


def test_two_levels_are_beta_posteriors() -> None:
    """1024 points err by a few thousandths."""
    successes, failures = np.array([12.0, 30.0, 4.0]), np.array([20.0, 40.0, 9.0])
    law = DirichletTSPolicy(k=2).propensities(Levels(counts=np.stack([failures, successes], -1)))
    exact = beta_best_arm(successes + 1.0, failures + 1.0)
    np.testing.assert_allclose(law, exact, atol=5e-3)


def test_arms_with_equal_counts_share_evenly() -> None:
    counts = np.array([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
    assert DirichletTSPolicy(k=3).propensities(Levels(counts=counts)).tolist() == [0.5, 0.5]


def test_one_arm_against_a_uniform_one_by_hand() -> None:
    """Nearly all weight on ½ against Beta(1,1): half. On level 1 of three: close to certain."""
    sure = np.array([[0.0, 1e9, 0.0], [0.0, 0.0, 0.0]])
    law = DirichletTSPolicy(k=3).propensities(Levels(counts=sure))
    np.testing.assert_allclose(law, [0.5, 0.5], atol=5e-3)
    best = np.array([[0.0, 0.0, 1e9], [0.0, 0.0, 0.0]])
    assert DirichletTSPolicy(k=3).propensities(Levels(counts=best))[0] > 1.0 - 1e-3


def test_sample_has_the_law_of_the_propensities() -> None:
    """40,000 draws: 5 standard deviations are 0.0125; false alarm below 1e-6."""
    policy = DirichletTSPolicy(k=4)
    counts = np.array([[3.0, 1.0, 2.0, 5.0], [1.0, 4.0, 4.0, 3.0], [0.0, 0.0, 1.0, 0.0]])
    many = Levels(counts=np.tile(counts, (40_000, 1, 1)))
    arms = policy.sample(many, rng=np.random.default_rng(5))
    law = policy.propensities(Levels(counts=counts))
    np.testing.assert_allclose(np.bincount(arms, minlength=3) / arms.size, law, atol=0.0125)
