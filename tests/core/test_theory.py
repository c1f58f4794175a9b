"""Constants of Bernoulli bandits: printed numbers, closed forms, and the equations they solve."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from qbrix.errors import InvalidParameter
from qbrix.theory import (
    bernoulli_divergence,
    characteristic_time,
    lai_robbins,
    optimal_proportions,
)
from qbrix.types import Array


@pytest.mark.parametrize(
    ("means", "constant"),
    [
        ((0.9, 0.8), 2.2521),
        ((0.6, 0.5), 4.8993),
        ((0.2, 0.25), 7.1407),
        ((0.1, *[0.05] * 3, *[0.02] * 3, *[0.01] * 3), 17.4452),
        ((0.5, *[0.4] * 9), 44.6971),
        (tuple(np.arange(1, 10) / 10), 7.5165),
    ],
)
def test_lai_robbins_constants(means: tuple[float, ...], constant: float) -> None:
    assert lai_robbins(means) == pytest.approx(constant, abs=5e-5)


@pytest.mark.parametrize(
    ("means", "time", "shares"),
    [
        ((0.5, 0.45, 0.43, 0.4), 989.79, (0.4165, 0.3903, 0.1362, 0.0570)),
        ((0.3, 0.21, 0.2, 0.19, 0.18), 326.64, (0.3359, 0.2515, 0.1766, 0.1324, 0.1036)),
    ],
)
def test_the_instances_of_garivier_and_kaufmann(
    means: tuple[float, ...], time: float, shares: tuple[float, ...]
) -> None:
    assert characteristic_time(means) == pytest.approx(time, abs=5e-3)
    np.testing.assert_allclose(optimal_proportions(np.array(means)), shares, atol=5.1e-5)


def test_two_arms_at_equal_distance_from_one_half() -> None:
    """Shares ½ and m = ½, so 1 / T* = kl(.6, ½) = ln 2 + .6 ln .6 + .4 ln .4."""
    expected = 1.0 / (log(2.0) + 0.6 * log(0.6) + 0.4 * log(0.4))
    assert characteristic_time([0.6, 0.4]) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(optimal_proportions(np.array([0.4, 0.6])), 0.5, atol=1e-12)


def test_near_arms_are_gaussian() -> None:
    """T* = 8 σ² / Δ² for two arms of one variance; the relative error is of order Δ²."""
    assert characteristic_time([0.501, 0.5]) == pytest.approx(8 * 0.25 / 1e-6, rel=1e-5)


@pytest.mark.parametrize(
    "means",
    [(0.7, 0.5, 0.1), (1.0, 0.5, 0.0), (1e-6, 2e-6, 5e-6), (0.999, 0.99, *[0.2] * 50), (1.0, 0.0)],
)
def test_at_the_best_shares_all_pairs_gain_alike_and_no_shift_helps(
    means: tuple[float, ...],
) -> None:
    """Equal gains, each of them 1 / T*, and Σ kl(μ*, m_a) / kl(μ_a, m_a) = 1."""
    mu = np.clip(np.array(means), 1e-12, 1 - 1e-12)
    shares = optimal_proportions(np.array(means))
    best = int(mu.argmax())
    others = np.arange(mu.size) != best
    middle = (shares[best] * mu[best] + shares * mu) / (shares[best] + shares)
    of_best, of_other = (bernoulli_divergence(x, middle)[others] for x in (mu[best], mu))
    gains = shares[best] * of_best + shares[others] * of_other
    np.testing.assert_allclose(gains * characteristic_time(means), 1.0, rtol=1e-7)
    assert (of_best / of_other).sum() == pytest.approx(1.0, rel=1e-7)
    assert shares.sum() == pytest.approx(1.0, rel=1e-12)


def test_best_arms_that_tie_cannot_be_told_apart() -> None:
    assert characteristic_time([0.5, 0.5, 0.1]) == float("inf")
    assert optimal_proportions(np.array([0.5, 0.5, 0.1])).tolist() == [0.5, 0.5, 0.0]


def test_one_arm_needs_no_round() -> None:
    assert characteristic_time([0.3]) == 0.0
    assert lai_robbins([0.3]) == 0.0
    assert optimal_proportions(np.array([0.3])).tolist() == [1.0]


def test_every_row_has_proportions_of_its_own() -> None:
    means = np.random.default_rng(1).random((2, 3, 4))
    means[1, 1] = 0.5
    together = optimal_proportions(means)
    for place in np.ndindex(2, 3):
        np.testing.assert_allclose(together[place], optimal_proportions(means[place]), rtol=1e-9)


@pytest.mark.parametrize(
    ("p", "q", "value"),
    [
        (0.5, 0.5, 0.0),
        (0.0, 0.5, log(2.0)),
        (1.0, 0.5, log(2.0)),
        (0.25, 0.5, 0.75 * log(1.5) - 0.25 * log(2.0)),
        (0.5, 0.0, np.inf),
        (0.5, 1.0, np.inf),
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 0.0),
        (0.0, 1.0, np.inf),
    ],
)
def test_divergences_by_hand(p: float, q: float, value: float) -> None:
    assert bernoulli_divergence(np.array(p), np.array(q)) == pytest.approx(value, rel=1e-14)


def test_a_small_divergence_keeps_its_digits() -> None:
    """kl(½, ½ + h) = −½ ln(1 − 4h²) = 2h² + O(h⁴)."""
    assert bernoulli_divergence(np.array(0.5), np.array(0.5 + 2.0**-20)) == pytest.approx(
        2.0 * 2.0**-40, rel=1e-9
    )


@pytest.mark.parametrize("means", [[], [0.5, 1.5], [[0.5]], [float("nan")]])
def test_what_is_no_probability_is_refused(means: Array) -> None:
    with pytest.raises(InvalidParameter, match=r"lai_robbins\(means="):
        lai_robbins(means)
    with pytest.raises(InvalidParameter, match=r"characteristic_time\(means="):
        characteristic_time(means)
