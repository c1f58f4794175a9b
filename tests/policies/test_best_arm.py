"""Best-arm probabilities against closed forms, 30-digit quadrature and their own laws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import comb

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from scipy.special import ndtr

from qbrix.errors import InvalidParameter, ShapeError
from qbrix.policies import _beta_best_arm, _gaussian_best_arm
from qbrix.policies._beta_best_arm import beta_best_arm
from qbrix.policies._gaussian_best_arm import gaussian_best_arm
from qbrix.types import Array, BoolArray

EXACT = 1e-10
ROUNDING = 1e-12

Pair = tuple[float, float]
BestArm = Callable[..., Array]

few = settings(
    max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
both = pytest.mark.parametrize("best_arm", [beta_best_arm, gaussian_best_arm])


def race(best_arm: BestArm, arms: Sequence[Pair], mask: BoolArray | None = None) -> Array:
    first, second = np.array(arms, dtype=np.float64).T
    return best_arm(first, second, mask=mask)


def defect(best_arm: BestArm, first: Array, second: Array) -> float:
    """How far from 1 the integrals add up before they are divided by their sum."""
    module = _beta_best_arm if best_arm is beta_best_arm else _gaussian_best_arm
    masses = module._masses(first, second, np.ones(first.shape, dtype=np.bool_))
    return float(np.abs(masses.sum(-1) - 1.0).max())


def draw_arms(
    best_arm: BestArm, shape: tuple[int, ...], *, rng: np.random.Generator
) -> list[Array]:
    if best_arm is beta_best_arm:
        return [10 ** rng.uniform(-1, 4, shape), 10 ** rng.uniform(-1, 4, shape)]
    return [rng.normal(size=shape), 10 ** rng.uniform(-3, 0, shape)]


# ── the reference: 30 digits, small cells, every F integrated on its way from node to node ──


class LogOddsBeta:
    """The density of log(X / (1 − X)), and the edges of cells in which it is smooth."""

    def __init__(self, a: float, b: float) -> None:
        self.a, self.b = mpf(a), mpf(b)
        self.level = mp.loggamma(self.a + self.b) - mp.loggamma(self.a) - mp.loggamma(self.b)

    def density(self, y: mpf, softplus: mpf) -> mpf:
        exponent = self.a * y - (self.a + self.b) * softplus + self.level
        return mp.exp(exponent) if exponent > -60 else mpf(0)

    def edges(self) -> list[mpf]:
        mode = mp.log(self.a / self.b)
        spread = min(mp.sqrt(1 / self.a + 1 / self.b), mpf(1))
        powers = [spread * mpf(2) ** (k / mpf(2)) for k in range(50)]
        left = [mode - 9 * spread - step for step in powers if step < 80 / self.a + 9 * spread]
        right = [mode + 9 * spread + step for step in powers if step < 80 / self.b + 9 * spread]
        return left + [mode + spread * k for k in range(-9, 10)] + right


def reference(arms: Sequence[Pair]) -> list[float]:
    with mp.workdps(30):
        laws = [LogOddsBeta(*arm) for arm in arms]
        edges = sorted({edge for law in laws for edge in law.edges()})
        at, below, wins = edges[0], [mpf(0)] * len(laws), [mpf(0)] * len(laws)
        for x, weight in (point for cell in pairwise(edges) for point in gauss(10, *cell)):
            for y, inner in gauss(5, at, x):
                softplus = mp.log1p(mp.exp(y))
                for arm, law in enumerate(laws):
                    below[arm] += inner * law.density(y, softplus)
            softplus = mp.log1p(mp.exp(x))
            for arm, law in enumerate(laws):
                others = mp.fprod(below[:arm] + below[arm + 1 :])
                wins[arm] += weight * law.density(x, softplus) * others
            at = x
        assert all(abs(total - 1) < 1e-13 for total in below), "the reference lost mass"
        return [float(win) for win in wins]


def gauss(order: int, low: mpf, high: mpf) -> list[tuple[mpf, mpf]]:
    length = high - low
    return [(low + length * x, length * weight) for x, weight in unit_rule(order)]


@cache
def unit_rule(order: int) -> list[tuple[mpf, mpf]]:
    """Gauss–Legendre on [0, 1]; findroot polishes numpy's nodes to working precision."""
    rule = []
    for guess in np.polynomial.legendre.leggauss(order)[0]:
        x = mp.findroot(lambda t: mp.legendre(order, t), mpf(float(guess)))
        slope = order * (x * mp.legendre(order, x) - mp.legendre(order - 1, x)) / (x * x - 1)
        rule.append(((x + 1) / 2, 1 / ((1 - x * x) * slope**2)))
    return rule


def gaussian_reference(arms: Sequence[Pair]) -> list[float]:
    """mpmath's own quadrature and distribution function, split where any arm bends."""
    with mp.workdps(20):
        laws = [(mpf(mean), mpf(scale)) for mean, scale in arms]
        cuts = sorted({m + s * k for m, s in laws for k in range(-9, 10, 3)})
        return [
            float(
                mp.quad(
                    lambda x, arm=arm: (
                        mp.npdf(x, *laws[arm])
                        * mp.fprod(mp.ncdf(x, *law) for b, law in enumerate(laws) if b != arm)
                    ),
                    cuts,
                    method="gauss-legendre",
                )
            )
            for arm in range(len(laws))
        ]


def test_the_reference_agrees_with_quadrature_of_mpmaths_own_incomplete_beta() -> None:
    """In x, not in log-odds: another coordinate, another code."""
    (a, b), (c, d) = arms = [(3.5, 2.0), (6.0, 5.25)]
    with mp.workdps(20):
        first = mp.quad(
            lambda x: (
                x ** (a - 1)
                * (1 - x) ** (b - 1)
                / mp.beta(a, b)
                * mp.betainc(c, d, 0, x, regularized=True)
            ),
            [0, 0.25, 0.5, 0.75, 1],
        )
    np.testing.assert_allclose(reference(arms), [float(first), 1 - float(first)], atol=1e-13)


# ── Beta: closed forms ──


@pytest.mark.parametrize("counts", [(1, 1, 1, 1), (3, 7, 5, 5), (40, 2, 38, 3), (60, 90, 70, 80)])
def test_two_whole_betas_follow_millers_finite_sum(counts: tuple[int, int, int, int]) -> None:
    """Miller 2015: P(Beta(c, d) > Beta(a, b)) = Σ_{i<c} B(a+i, b+d) / (d+i) B(1+i, d) B(a, b)."""
    a, b, c, d = counts

    def beta(x: int, y: int) -> Fraction:
        return Fraction(x + y, x * y * comb(x + y, x))

    second = sum(
        (beta(a + i, b + d) / ((d + i) * beta(1 + i, d) * beta(a, b)) for i in range(c)),
        Fraction(0),
    )
    result = race(beta_best_arm, [(a, b), (c, d)])
    np.testing.assert_allclose(result, [float(1 - second), float(second)], atol=ROUNDING)


@pytest.mark.parametrize("n_arms", [2, 10, 1000])
def test_powers_of_uniforms_win_in_proportion_to_their_exponents(n_arms: int) -> None:
    """F_a = x**a, hence P_a = a / Σ a."""
    exponents = 10 ** np.random.default_rng(1).uniform(-2, 7, n_arms)
    result = beta_best_arm(exponents, np.ones(n_arms))
    np.testing.assert_allclose(result, exponents / exponents.sum(), atol=EXACT)
    assert defect(beta_best_arm, exponents[None], np.ones((1, n_arms))) <= EXACT


@pytest.mark.parametrize("power", [1.0, 999.0, 1e7])
@pytest.mark.parametrize(
    "arm",
    [
        (0.5, 0.5),
        (0.01, 0.01),
        (0.01, 3.0),
        (4.0, 0.02),
        (2.3, 99.7),
        (1e7, 3e7),
        (3e7, 1.0),
        (1.0, 1e7),
        (1e7, 0.01),
        (0.01, 1e7),
    ],
)
def test_an_arm_beats_a_power_of_a_uniform_by_its_moment(arm: Pair, power: float) -> None:
    """The opponent is Beta(c, 1), F = x**c, hence P = E X**c = Γ(a+c) Γ(a+b) / Γ(a) Γ(a+b+c)."""
    with mp.workdps(40):
        a, b, c = (mpf(value) for value in (*arm, power))
        moment = float(
            mp.exp(
                mp.loggamma(a + c) + mp.loggamma(a + b) - mp.loggamma(a) - mp.loggamma(a + b + c)
            )
        )
    np.testing.assert_allclose(
        race(beta_best_arm, [arm, (power, 1.0)]), [moment, 1 - moment], atol=EXACT
    )


def test_one_learned_arm_among_999_unknown_ones_wins_by_its_999th_moment() -> None:
    """E X**999 of Beta(2000, 2) is 2000 · 2001 / (2999 · 3000)."""
    arms = [(2000.0, 2.0)] + [(1.0, 1.0)] * 999
    result = race(beta_best_arm, arms)
    moment = 2000 * 2001 / (2999 * 3000)
    assert abs(result[0] - moment) <= EXACT
    np.testing.assert_allclose(result[1:], (1 - moment) / 999, atol=EXACT)


# ── Beta: high precision ──

NASTY: list[list[Pair]] = [
    [(1.0, 1.0), (1e7, 3e7)],
    [(1e7, 3e7), (1.0002e7, 3e7)],
    [(0.5, 0.5), (7.0, 2.5)],
    [(0.01, 0.01), (0.02, 0.01), (1.0, 1.0)],
    [(1e-2, 1e-2), (1e7, 1e7)],
    [(2.3, 99.7), (5.0, 99.0), (1.0, 20.0)],
    [(1e7, 4.0), (1e6, 1.0), (1e7, 2.5)],
    [(1.0, 1e7), (3.0, 2e7)],
    [(1e7, 1e7), (5000.0, 4990.0), (0.7, 0.6)],
]


@pytest.mark.parametrize("arms", NASTY, ids=str)
def test_unequal_betas_agree_with_thirty_digits(arms: list[Pair]) -> None:
    np.testing.assert_allclose(race(beta_best_arm, arms), reference(arms), atol=EXACT, rtol=0)


@few
@given(st.lists(st.tuples(*[st.floats(-1.5, 7).map(lambda e: 10**e)] * 2), min_size=2, max_size=2))
def test_random_betas_agree_with_thirty_digits(arms: list[Pair]) -> None:
    np.testing.assert_allclose(race(beta_best_arm, arms), reference(arms), atol=EXACT, rtol=0)


# ── Gaussian: closed forms and high precision ──


@pytest.mark.parametrize("ratio", [1.0, 1e4, 1e8, 1e-8])
@pytest.mark.parametrize("gap", [0.0, 0.3, -2.0, 7.5])
def test_two_gaussians_follow_the_law_of_their_difference(ratio: float, gap: float) -> None:
    first = ndtr(gap / np.hypot(1.0, ratio))
    result = race(gaussian_best_arm, [(5.0 + gap, 1.0), (5.0, ratio)])
    np.testing.assert_allclose(result, [first, 1 - first], atol=EXACT)


@pytest.mark.parametrize("scales", [(1.0, 1.0, 1.0), (1.0, 1e-8, 3.0), (1e-8, 1.0, 1e8)])
def test_three_centred_gaussians_follow_the_orthant_formula(
    scales: tuple[float, float, float],
) -> None:
    """Sheppard 1899: P(U > 0, V > 0) = ¼ + asin ρ / 2π, here for the two differences; ρ > 0."""
    for arm in range(3):
        s, t, u = np.roll(scales, -arm)
        angle = np.arctan2(s * s, np.sqrt(s * s * t * t + s * s * u * u + t * t * u * u))
        result = gaussian_best_arm(np.zeros(3), np.array(scales))
        assert abs(result[arm] - (0.25 + angle / (2 * np.pi))) <= EXACT


@few
@given(
    st.lists(
        st.tuples(st.floats(-2, 2), st.floats(-2, 1).map(lambda e: 10**e)), min_size=2, max_size=3
    )
)
def test_random_gaussians_agree_with_high_precision(arms: list[Pair]) -> None:
    expected = gaussian_reference(arms)
    np.testing.assert_allclose(race(gaussian_best_arm, arms), expected, atol=EXACT, rtol=0)


def test_a_certain_score_wins_when_every_other_falls_below() -> None:
    """999 standard normals against the constant 3: Φ(3)**999."""
    mean, scale = np.zeros(1000), np.ones(1000)
    mean[0], scale[0] = 3.0, 0.0
    result = gaussian_best_arm(mean, scale)
    first = ndtr(3.0) ** 999
    np.testing.assert_allclose(result[0], first, atol=EXACT)
    np.testing.assert_allclose(result[1:], (1 - first) / 999, atol=EXACT)


def test_certain_scores_that_tie_share_and_lower_ones_get_nothing() -> None:
    mean = np.array([1.0, 1.0 + 5e-10, 1.0 - 1e-6, 1.0])
    np.testing.assert_array_equal(gaussian_best_arm(mean[:3], np.zeros(3)), [0.5, 0.5, 0.0])
    result = gaussian_best_arm(mean, np.array([0.0, 0.0, 0.0, 1.0]))
    np.testing.assert_allclose(result, [0.25, 0.25, 0.0, 0.5], atol=1e-9)


def test_the_tie_rule_grows_with_the_best_score() -> None:
    mean = np.array([1e6, 1e6 - 5e-4, 1e6 - 2e-3])
    np.testing.assert_array_equal(gaussian_best_arm(mean, np.zeros(3)), [0.5, 0.5, 0.0])


def test_scales_far_below_the_rounding_of_the_means_still_race() -> None:
    result = race(gaussian_best_arm, [(0.1, 1e-30), (0.1, 1e-30), (0.1, 2e-30), (-4.0, 1e-30)])
    np.testing.assert_allclose(
        result,
        race(gaussian_best_arm, [(0.0, 1.0), (0.0, 1.0), (0.0, 2.0), (-99.0, 1.0)]),
        atol=EXACT,
    )


def test_scales_of_any_ratio_race_without_overflow() -> None:
    """The wide arm is above both narrow ones half of the time; those are alike."""
    arms = [(0.0, 1e-250), (0.0, 1e8), (0.0, 1e-250)]
    np.testing.assert_allclose(race(gaussian_best_arm, arms), [0.25, 0.5, 0.25], atol=EXACT)


# ── laws of both ──


@both
@pytest.mark.parametrize("n_arms", [1, 2, 3, 7, 40, 300, 1000])
def test_identical_arms_share_evenly(best_arm: BestArm, n_arms: int) -> None:
    priors = [(0.01, 0.01), (0.5, 0.5), (1.0, 1.0)]
    for pair in [*priors, (2.3, 99.7), (14.0, 14.0), (1e7, 3e7), (1e7, 0.5)]:
        first, second = np.full((1, n_arms), pair[0]), np.full((1, n_arms), pair[1])
        np.testing.assert_allclose(best_arm(first, second), 1 / n_arms, atol=ROUNDING)
        assert defect(best_arm, first, second) <= EXACT


@both
@pytest.mark.parametrize("n_arms", [2, 10, 100, 1000])
def test_the_integrals_add_up_before_they_are_made_to(best_arm: BestArm, n_arms: int) -> None:
    rng = np.random.default_rng(n_arms)
    for _ in range(max(3, 100 // n_arms)):
        assert defect(best_arm, *draw_arms(best_arm, (1, n_arms), rng=rng)) <= EXACT


@both
def test_rows_sum_to_one_and_are_never_negative(best_arm: BestArm) -> None:
    result = best_arm(*draw_arms(best_arm, (50, 20), rng=np.random.default_rng(2)))
    assert (result >= 0).all()
    np.testing.assert_allclose(result.sum(-1), 1.0, atol=ROUNDING)


@both
def test_arms_may_be_renumbered(best_arm: BestArm) -> None:
    rng = np.random.default_rng(3)
    first, second = draw_arms(best_arm, (30, 12), rng=rng)
    order = rng.permutation(12)
    np.testing.assert_allclose(
        best_arm(first[:, order], second[:, order]),
        best_arm(first, second)[:, order],
        atol=ROUNDING,
    )


@both
def test_leading_axes_equal_single_rows(best_arm: BestArm) -> None:
    first, second = draw_arms(best_arm, (4, 30, 5), rng=np.random.default_rng(4))
    result = best_arm(first, second)
    for row in np.ndindex(4, 30):
        np.testing.assert_allclose(result[row], best_arm(first[row], second[row]), atol=ROUNDING)


@both
def test_blocks_and_pieces_leave_no_seam(best_arm: BestArm) -> None:
    first, second = draw_arms(best_arm, (9000, 2), rng=np.random.default_rng(5))
    whole = best_arm(first, second)
    cuts = [slice(low, low + 700) for low in range(0, 9000, 700)]
    parts = [best_arm(first[cut], second[cut]) for cut in cuts]
    np.testing.assert_allclose(whole, np.concatenate(parts), atol=ROUNDING)


@both
def test_a_masked_arm_does_not_race_whatever_its_parameters(best_arm: BestArm) -> None:
    first, second = draw_arms(best_arm, (6,), rng=np.random.default_rng(6))
    mask = np.array([True, False, True, True, False, True])
    first[1], second[4] = np.nan, -np.inf
    result = best_arm(first, second, mask=mask)
    np.testing.assert_array_equal(result[~mask], 0.0)
    np.testing.assert_allclose(result[mask], best_arm(first[mask], second[mask]), atol=ROUNDING)


@both
def test_a_mask_may_add_leading_axes(best_arm: BestArm) -> None:
    first, second = draw_arms(best_arm, (3,), rng=np.random.default_rng(7))
    mask = np.array([[True, True, True], [False, True, False]])
    result = best_arm(first, second, mask=mask)
    np.testing.assert_allclose(result[0], best_arm(first, second), atol=ROUNDING)
    np.testing.assert_array_equal(result[1], [0.0, 1.0, 0.0])


@both
def test_a_single_true_allows_every_arm(best_arm: BestArm) -> None:
    first, second = draw_arms(best_arm, (3,), rng=np.random.default_rng(9))
    np.testing.assert_array_equal(
        best_arm(first, second, mask=np.array(True)), best_arm(first, second)
    )


@both
def test_no_rows_give_no_rows(best_arm: BestArm) -> None:
    assert best_arm(np.ones((0, 3)), np.ones((0, 3))).shape == (0, 3)


@both
def test_inputs_are_left_alone(best_arm: BestArm) -> None:
    first, second = draw_arms(best_arm, (3, 4), rng=np.random.default_rng(8))
    kept = first.copy(), second.copy()
    best_arm(first, second, mask=np.array([True, True, False, True]))
    np.testing.assert_array_equal((first, second), kept)


@both
def test_a_row_without_an_arm_is_refused(best_arm: BestArm) -> None:
    with pytest.raises(InvalidParameter, match="mask allows no arm"):
        best_arm(np.ones((2, 2)), np.ones((2, 2)), mask=np.array([[True, False], [False, False]]))


@both
def test_shapes_that_do_not_fit_are_refused(best_arm: BestArm) -> None:
    with pytest.raises(ShapeError, match=r"\(2,\) and \(3,\)"):
        best_arm(np.ones(2), np.ones(3))
    with pytest.raises(ShapeError, match=r"\(\.\.\., K >= 1\)"):
        best_arm(np.array(1.0), np.array(1.0))


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_a_beta_parameter_outside_its_range_is_named(bad: float) -> None:
    with pytest.raises(InvalidParameter, match=r"failures\[1, 0\] is .* > 0"):
        beta_best_arm(np.ones((2, 2)), np.array([[1.0, 1.0], [bad, 1.0]]))


def test_a_gaussian_parameter_outside_its_range_is_named() -> None:
    with pytest.raises(InvalidParameter, match=r"mean\[0\] is nan"):
        gaussian_best_arm(np.array([np.nan, 1.0]), np.ones(2))
    with pytest.raises(InvalidParameter, match=r"scale\[1\] is -1.0"):
        gaussian_best_arm(np.zeros(2), np.array([1.0, -1.0]))
