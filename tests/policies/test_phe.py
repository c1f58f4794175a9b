"""Perturbed-history exploration: laws by counting coins."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.policies._binomial import binomial, hypergeometric
from qbrix.policies._counts import Rewards
from qbrix.policies.phe import PHEPolicy
from tests.policies.numbers import law, seen


def test_two_arms_by_counting() -> None:
    """a = 1, one pull each: {½, 1} against {0, ½}: ahead unless ½ meets ½ (¼), shared: 7/8."""
    assert law(PHEPolicy(a=1.0), seen([1, 1], [1, 0])) == [0.875, 0.125]


def test_coins_are_rounded_up() -> None:
    """a = 0.3: one coin for two pulls: (1 + Z)/3 against (2 + Z)/3: wins 0, ties ¼."""
    assert law(PHEPolicy(a=0.3), seen([2, 2], [1, 2])) == [0.125, 0.875]


def test_unobserved_arms_come_first() -> None:
    assert law(PHEPolicy(), seen([5, 0, 0], [5, 0, 0])) == [0.0, 0.5, 0.5]


@pytest.mark.parametrize(("trials", "chance"), [(4.0, 0.5), (9.0, 0.2), (3.0, 1.0), (0.0, 0.5)])
def test_binomial_law_sums_to_mean_and_variance(trials: float, chance: float) -> None:
    counts, weights = binomial(trials, chance)
    mean = weights @ counts
    np.testing.assert_allclose(mean, trials * chance, atol=1e-13)
    variance = weights @ (counts - mean) ** 2
    np.testing.assert_allclose(variance, trials * chance * (1 - chance), atol=1e-13)


def test_large_binomial_law_keeps_its_moments() -> None:
    counts, weights = binomial(1e6, 0.3)
    np.testing.assert_allclose(weights @ counts, 3e5, rtol=1e-12)
    np.testing.assert_allclose(weights @ (counts - 3e5) ** 2, 2.1e5, rtol=1e-9)


def test_hypergeometric_law_by_hand() -> None:
    """Two of five with three marked: 1/10, 6/10, 3/10."""
    counts, weights = hypergeometric(3.0, 2.0, 2.0)
    assert counts.tolist() == [0.0, 1.0, 2.0]
    np.testing.assert_allclose(weights, [0.1, 0.6, 0.3], atol=1e-15)


def test_sample_has_the_law_of_the_propensities() -> None:
    """100,000 draws: 5 standard deviations are 0.008; false alarm below 1e-6."""
    policy = PHEPolicy()
    state = seen([7, 4, 5], [4, 3, 2])
    many = Rewards(
        pulls=np.tile(state.pulls, (100_000, 1)),
        total_reward=np.tile(state.total_reward, (100_000, 1)),
    )
    arms = policy.sample(many, rng=np.random.default_rng(1))
    shares = np.bincount(arms, minlength=3) / arms.size
    np.testing.assert_allclose(shares, policy.propensities(state), atol=0.008)
