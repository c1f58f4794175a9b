"""Gaussian rewards of unknown variance: the posterior on paper, laws with a closed form."""

from __future__ import annotations

import numpy as np

from qbrix.policies._index import Squares
from qbrix.policies.normal_inverse_gamma_ts import NormalInverseGammaTSPolicy, _quantiles
from tests.policies.numbers import rows


def state(pulls: list[float], total: list[float], square: list[float]) -> Squares:
    return Squares(
        pulls=np.array(pulls), total_reward=np.array(total), total_square=np.array(square)
    )


def test_posterior_by_hand() -> None:
    """Rewards 1 and 3: κ = 3, m = 4/3, α = 2, β = 1 + ½ (2 + ⅔ · 4) = 10/3; scale² = β/6."""
    policy = NormalInverseGammaTSPolicy()
    learned = policy.update(policy.init(n_arms=1), rows([0, 0], [1.0, 3.0]))
    mean, scale, freedom = policy._posterior(learned)
    np.testing.assert_allclose([mean[0], scale[0] ** 2, freedom[0]], [4 / 3, 5 / 9, 4.0])


def test_against_an_almost_certain_arm() -> None:
    """t₂ at 1 with scale 1 against 0 for certain: P(t₂ > −1) = ½ + 1/(2√3)."""
    policy = NormalInverseGammaTSPolicy(prior_mean=1.0)
    many = 1e12
    law = policy.propensities(state([0.0, many], [0.0, 0.0], [0.0, 0.0]))
    np.testing.assert_allclose(law[0], 0.5 + 1.0 / (2.0 * np.sqrt(3.0)), atol=2e-3)


def test_equal_arms_share_evenly() -> None:
    law = NormalInverseGammaTSPolicy().propensities(state([3, 3], [2, 2], [4, 4]))
    np.testing.assert_allclose(law, [0.5, 0.5], atol=1e-12)


def test_quantiles_have_unit_weight_and_reach_into_the_tails() -> None:
    lower, weights = _quantiles()
    assert abs(weights.sum() - 1.0) < 1e-12
    assert (np.diff(lower) >= 0).all()
    assert lower[0] < 1e-13


def test_rare_arms_keep_a_probability() -> None:
    """Means 2 apart after 50 observations each: far below 1/1024, and not 0."""
    law = NormalInverseGammaTSPolicy().propensities(state([50, 50], [100, 0], [250, 50]))
    assert 0.0 < law[1] < 1e-6


def test_sample_has_the_law_of_the_propensities() -> None:
    """100,000 draws: 5 standard deviations are 0.008; false alarm below 1e-6."""
    policy = NormalInverseGammaTSPolicy()
    one = state([3, 0, 4], [2, 0, 1], [4, 0, 3])
    many = Squares(
        pulls=np.tile(one.pulls, (100_000, 1)),
        total_reward=np.tile(one.total_reward, (100_000, 1)),
        total_square=np.tile(one.total_square, (100_000, 1)),
    )
    arms = policy.sample(many, rng=np.random.default_rng(2))
    shares = np.bincount(arms, minlength=3) / arms.size
    np.testing.assert_allclose(shares, policy.propensities(one), atol=0.008)
