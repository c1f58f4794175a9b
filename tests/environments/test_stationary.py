"""Arms with fixed means: Binomial, Gaussian, Poisson, exponential, heavy-tailed, and testbeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qbrix.environments import (
    Binomial,
    Environment,
    Exponential,
    Gaussian,
    GaussianTestbed,
    HeavyTailed,
    LowerBound,
    Poisson,
)
from qbrix.errors import InvalidParameter
from qbrix.rng import stream
from qbrix.types import Array


def rewards(environment: Environment, *, replications: int = 1000) -> Array:
    """100 rounds."""
    (rounds,) = environment.play(stream(8), replications=replications, horizon=100)
    return rounds.rewards


def test_counts_are_trials_times_shares() -> None:
    share, count = (Binomial([0.2, 0.7], trials=5, pays=pays) for pays in ("share", "count"))
    np.testing.assert_array_equal(5.0 * rewards(share), rewards(count))
    assert (share.reward, count.reward) == ("bounded", "nonnegative")
    assert (share.optimum, count.optimum) == (0.7, 3.5)
    assert set(np.unique(rewards(count))) == {0.0, 1.0, 2.0, 3.0, 4.0, 5.0}


@pytest.mark.parametrize(
    ("environment", "variance", "fourth"),
    [
        # Fourth central moments: n p q (1 + 3 (n − 2) p q), 3 σ⁴, λ + 3 λ², 9 μ⁴.
        (Binomial([0.2], trials=5, pays="count"), 0.8, 0.8 * (1.0 + 3.0 * 3.0 * 0.16)),
        (Gaussian([1.0], sd=2.0), 4.0, 48.0),
        (Poisson([3.0]), 3.0, 30.0),
        (Exponential([2.0]), 4.0, 144.0),
    ],
    ids=repr,
)
def test_rewards_have_the_variance_of_their_law(
    environment: Environment, variance: float, fourth: float
) -> None:
    """100,000 numbers, 6 standard errors: false alarm below 1e-8 under a new seed."""
    assert environment.optimum is not None
    found = ((rewards(environment) - environment.optimum) ** 2).mean()
    assert abs(found - variance) <= 6.0 * np.sqrt((fourth - variance**2) / 100_000)


def test_student_noise_exceeds_its_quartiles_half_of_the_time() -> None:
    """With 3 degrees of freedom the upper quartile is 0.76489; 100,000 numbers, 6 errors."""
    noise = (rewards(HeavyTailed([1.0], df=3.0, scale=2.0)) - 1.0) / 2.0
    assert abs((np.abs(noise) > 0.764892).mean() - 0.5) <= 6.0 * np.sqrt(0.25 / 100_000)


def test_gaussian_noise_is_shared_by_the_arms_of_a_round_and_scaled_by_each() -> None:
    paid = rewards(Gaussian([1.0, -1.0], sd=[1.0, 3.0]))
    np.testing.assert_allclose(3.0 * (paid[..., 0] - 1.0), paid[..., 1] + 1.0, atol=1e-12)


def test_arms_without_spread_pay_their_means() -> None:
    assert (rewards(Gaussian([0.5, 2.0], sd=0.0)) == [0.5, 2.0]).all()
    assert (rewards(Poisson([0.0])) == 0.0).all()
    assert (rewards(Exponential([0.0])) == 0.0).all()


def test_every_replication_of_the_testbed_is_a_task_of_its_own() -> None:
    """2000 × 10 means: variance within 6 standard errors of 1."""
    (rounds,) = GaussianTestbed().play(stream(8), replications=2000, horizon=3)
    means = rounds.means[0]
    assert (rounds.means == means).all()
    assert abs(means.var() - 1.0) <= 6.0 * np.sqrt(2.0 / 20_000)
    assert (rounds.best == means.max(1)).all()


def test_the_gap_of_the_lower_bound_is_a_quarter_of_root_k_over_t() -> None:
    environment = LowerBound(n_arms=4, horizon=1600)
    assert environment.gap == 0.25 * 0.05
    assert environment.bound == 80.0 / 20.0
    assert LowerBound(n_arms=4, horizon=1).gap == 0.25
    (rounds,) = environment.play(stream(8), replications=400, horizon=2)
    good = rounds.means[0].argmax(1)
    assert (np.sort(rounds.means[0], axis=1) == [0.5, 0.5, 0.5, 0.5125]).all()
    assert set(good) == {0, 1, 2, 3}


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: Binomial([1.2], trials=3), r"Binomial.probabilities = \[1.2\].*in \[0, 1\] per arm"),
    (lambda: Binomial([0.2], trials=0), "Binomial.trials = 0, expected an integer >= 1"),
    (lambda: Binomial([0.2], trials=1, pays="sum"), "Binomial.pays = 'sum'"),  # type: ignore[arg-type]
    (lambda: Gaussian([]), "Gaussian.means"),
    (lambda: Gaussian([0.0, 1.0], sd=[1.0]), "Gaussian.sd.*one number, or 2, >= 0 per arm"),
    (lambda: Gaussian([0.0], sd=-1.0), "Gaussian.sd = -1.0"),
    (lambda: Gaussian([float("nan")]), "Gaussian.means.*that is finite per arm"),
    (lambda: Poisson([-1.0]), r"Poisson.means.*in \[0, 1e\+15\]"),
    (lambda: Exponential([-1.0]), "Exponential.means.*>= 0 per arm"),
    (lambda: HeavyTailed([0.0], df=1.0), "HeavyTailed.df = 1.0, expected a number > 1"),
    (lambda: HeavyTailed([0.0], scale=0.0), "HeavyTailed.scale = 0.0"),
    (lambda: GaussianTestbed(0), "GaussianTestbed.n_arms = 0"),
    (lambda: GaussianTestbed(noise=float("inf")), "GaussianTestbed.noise = inf"),
    (lambda: LowerBound(n_arms=1), "LowerBound.n_arms = 1, expected an integer >= 2"),
]


@pytest.mark.parametrize(("make", "said"), REFUSED)
def test_what_does_not_fit_is_refused_by_name(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        make()
