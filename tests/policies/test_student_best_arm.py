"""Best-arm probabilities of Student scores: closed forms, 20 digits, laws."""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import mp, mpf

from qbrix.errors import InvalidParameter
from qbrix.policies._gaussian_best_arm import gaussian_best_arm
from qbrix.policies._student_best_arm import _masses, _peak, student_best_arm
from qbrix.types import Array

EXACT = 1e-10


def defect(mean: Array, scale: Array, freedom: Array) -> float:
    """How far from 1 the integrals add up before they are divided by their sum."""
    parameters = np.atleast_2d(mean, scale, freedom)
    masses = _masses(*parameters, allowed=np.ones(parameters[0].shape, dtype=np.bool_))
    return float(np.abs(masses.sum(-1) - 1.0).max())


def below(z: mpf) -> mpf:
    """Distribution function with 2 degrees of freedom."""
    return (1 + z / mp.sqrt(2 + z * z)) / 2


@pytest.mark.parametrize("n_arms", [1, 2, 10, 300])
@pytest.mark.parametrize("freedom", [2.0, 3.0, 30.0, 1e7])
def test_identical_arms_share_evenly(n_arms: int, freedom: float) -> None:
    law = student_best_arm(np.full(n_arms, 5.0), np.full(n_arms, 0.3), np.full(n_arms, freedom))
    np.testing.assert_allclose(law, 1 / n_arms, atol=1e-13)


@pytest.mark.parametrize("score", [-2.0, 0.5, 40.0])
def test_a_certain_score_wins_when_every_other_falls_below(score: float) -> None:
    """With 2 degrees of freedom F(z) = (1 + z / √(2 + z²)) / 2; 99 arms fall below at once."""
    mean, scale = np.zeros(100), np.ones(100)
    mean[0], scale[0] = score, 0.0
    law = student_best_arm(mean, scale, np.full(100, 2.0))
    first = float(below(mpf(score)) ** 99)
    np.testing.assert_allclose(law[0], first, atol=EXACT)
    np.testing.assert_allclose(law[1:], (1 - first) / 99, atol=EXACT)


def test_certain_scores_that_tie_share() -> None:
    mean = np.array([1.0, 1.0 + 5e-10, 0.9, 0.5])
    np.testing.assert_array_equal(
        student_best_arm(mean, np.zeros(4), np.full(4, 2.0)), [0.5, 0.5, 0.0, 0.0]
    )


@pytest.mark.parametrize(
    "arms",
    [
        [(0.0, 1.0), (0.5, 1.0), (-0.3, 2.0)],
        [(0.0, 1.0), (0.2, 0.001), (0.1, 0.03)],
        [(3.0, 0.5), (0.0, 10.0), (2.9, 0.1)],
    ],
)
def test_three_arms_agree_with_twenty_digits(arms: list[tuple[float, float]]) -> None:
    with mp.workdps(20):
        laws = [(mpf(m), mpf(s)) for m, s in arms]
        cuts = sorted({m + s * k for m, s in laws for k in (-1000, -30, -3, 0, 3, 30, 1000)})

        def won(x: mpf, arm: int) -> mpf:
            z = (x - laws[arm][0]) / laws[arm][1]
            others = mp.fprod(below((x - m) / s) for b, (m, s) in enumerate(laws) if b != arm)
            return others / laws[arm][1] / (2 + z * z) ** mpf(1.5)

        expected = [
            float(mp.quad(lambda x, a=arm: won(x, a), [-mp.inf, *cuts, mp.inf])) for arm in range(3)
        ]
    assert abs(sum(expected) - 1.0) < 1e-12, "the reference lost mass"
    mean, scale = np.array(arms).T
    found = student_best_arm(mean, scale, np.full(3, 2.0))
    np.testing.assert_allclose(found, expected, atol=EXACT)


def test_many_degrees_of_freedom_are_gaussian() -> None:
    """The density differs by a factor 1 + O(z⁴ / ν): at ν = 1e9 by less than 1e-7."""
    rng = np.random.default_rng(2)
    mean, scale = rng.standard_normal((20, 6)), 10.0 ** rng.uniform(-2, 1, (20, 6))
    found = student_best_arm(mean, scale, np.full((20, 6), 1e9))
    np.testing.assert_allclose(found, gaussian_best_arm(mean, scale), atol=1e-7)


@pytest.mark.parametrize("n_arms", [2, 10, 100, 1000])
def test_the_integrals_add_up_before_they_are_made_to(n_arms: int) -> None:
    """Scales over six and degrees of freedom over five powers of ten, heavy tails alone, too."""
    rng = np.random.default_rng(n_arms)
    for _ in range(max(2, 30 // n_arms)):
        mean, scale = rng.standard_normal(n_arms), 10.0 ** rng.uniform(-4, 2, n_arms)
        assert defect(mean, scale, 2.0 * 10.0 ** rng.uniform(0, 5, n_arms)) <= EXACT
        assert defect(mean, scale, np.full(n_arms, 2.0)) <= EXACT


@pytest.mark.parametrize("freedom", [2.0, 3.7, 60.0, 79.0, 81.0, 1e4, 1e8])
def test_the_density_is_known_to_thirteen_digits(freedom: float) -> None:
    with mp.workdps(30):
        half = mpf(freedom) / 2
        ratio = mp.exp(mp.loggamma(half + 0.5) - mp.loggamma(half))
        expected = float(ratio / mp.sqrt(mpf(freedom) * mp.pi))
    assert _peak(np.array(freedom)) == pytest.approx(expected, rel=1e-13)


def test_masked_arms_do_not_race_and_rows_are_apart() -> None:
    rng = np.random.default_rng(5)
    mean, scale = rng.standard_normal((4, 5)), rng.uniform(0.1, 1.0, (4, 5))
    freedom = rng.uniform(2.0, 9.0, 5)
    mask = np.array([True, False, True, True, False])
    together = student_best_arm(mean, scale, np.tile(freedom, (4, 1)), mask=mask)
    for row in range(4):
        alone = student_best_arm(mean[row, mask], scale[row, mask], freedom[mask])
        np.testing.assert_allclose(together[row, mask], alone, atol=1e-13)
    assert not together[:, ~mask].any()


@pytest.mark.parametrize("bad", [0.0, 1.9, np.nan, np.inf])
def test_too_few_degrees_of_freedom_are_named(bad: float) -> None:
    with pytest.raises(InvalidParameter, match=r"freedom\[1\] is .* >= 2"):
        student_best_arm(np.zeros(2), np.ones(2), np.array([2.0, bad]))
