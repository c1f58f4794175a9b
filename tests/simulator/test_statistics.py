"""Intervals and differences: by hand, and how often they are right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qbrix.errors import InvalidParameter, ShapeError
from qbrix.rng import stream
from qbrix.simulator.statistics import interval, paired_differences, replications_needed
from qbrix.types import IntArray

ALL_OF_3 = np.array([[0, 1], [0, 2], [1, 2]])


def test_the_interval_of_1_2_3_is_students() -> None:
    """Mean 2, standard error 1/√3, Student's t with 2 degrees of freedom 4.302653."""
    mean, low, high = interval(np.array([1.0, 2.0, 3.0]))
    assert float(mean) == 2.0
    assert float(high - mean) == pytest.approx(4.3026527 / np.sqrt(3.0), abs=1e-6)
    assert float(mean - low) == pytest.approx(float(high - mean))


def test_one_replication_tells_nothing_about_its_spread() -> None:
    mean, low, high = interval(np.array([[1.0, 4.0]]))
    assert mean.tolist() == [1.0, 4.0]
    assert np.isnan([low, high]).all()
    found = paired_differences(np.array([[1.0, 4.0]]), np.array([[1, 0]]))
    assert found.mean.tolist() == [3.0]
    assert np.isnan([found.low, found.high, found.p_value]).all()
    assert not found.separated.any()


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """20,000 intervals of 5 normal numbers; 5 standard deviations, false alarm below 6e-7."""
    _, low, high = interval(stream(8).standard_normal((5, 20_000)), confidence=0.9)
    covered = ((low < 0.0) & (high > 0.0)).mean()
    assert abs(covered - 0.9) <= 5.0 * np.sqrt(0.9 * 0.1 / 20_000)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, None, True])
def test_a_confidence_is_a_probability(confidence: Any) -> None:
    with pytest.raises(InvalidParameter, match="confidence = "):
        interval(np.array([1.0, 2.0]), confidence=confidence)


def test_differences_are_taken_within_a_replication() -> None:
    """A common part of standard deviation 100 drops out: what is left has .1."""
    rng = stream(3)
    common = 100.0 * rng.standard_normal((200, 1))
    values = common + 0.1 * rng.standard_normal((200, 3)) + [0.0, 0.0, 1.0]
    found = paired_differences(values, ALL_OF_3)
    assert found.separated.tolist() == [False, True, True]
    assert found.mean[1] == pytest.approx(-1.0, abs=0.1)
    assert found.p_value[0] > 0.01
    assert found.p_value[1] == found.p_value[2] == 1.0 / 2001.0


def covered(pairs: IntArray, *, races: int, seed: int) -> tuple[float, float]:
    """Share of races in which all intervals cover 0, and in which no p-value is below .1.

    Skewed numbers, correlated between policies, as regrets are.
    """
    rng = stream(seed, "coverage")
    inside = quiet = 0
    for race in range(races):
        values = rng.exponential(size=(60, 6)) + rng.exponential(size=(60, 1))
        found = paired_differences(values, pairs, confidence=0.9, seed=race)
        inside += not found.separated.any()
        quiet += not (found.p_value < 0.1).any()
    return inside / races, quiet / races


@pytest.mark.parametrize(
    "pairs",
    [
        np.array([[a, 0] for a in range(1, 6)]),
        np.array([[a, b] for a in range(6) for b in range(a)]),
    ],
)
def test_all_intervals_of_a_table_hold_together(pairs: IntArray) -> None:
    """300 races, 90 %: at least .9 − 5 standard deviations; unadjusted ones hold in about half.

    False alarm below 3e-7. Not above .9 + 5 standard deviations either: they are not just wide.
    """
    inside, quiet = covered(pairs, races=300, seed=4)
    slack = 5.0 * np.sqrt(0.9 * 0.1 / 300)
    assert abs(inside - 0.9) <= slack
    assert abs(quiet - 0.9) <= slack


def test_more_comparisons_make_wider_intervals() -> None:
    values = stream(5).standard_normal((80, 12))
    one = paired_differences(values, np.array([[1, 0]]))
    many = paired_differences(values, np.array([[a, b] for a in range(12) for b in range(a)]))
    assert many.high[0] - many.low[0] > 1.3 * (one.high[0] - one.low[0])


def test_a_single_comparison_is_near_students_interval() -> None:
    """200 normal numbers: t with 199 degrees of freedom, up to the error of 2000 resamples."""
    values = np.column_stack([stream(6).standard_normal(200), np.zeros(200)])
    found = paired_differences(values, np.array([[0, 1]]))
    _, low, high = interval(values[:, 0])
    assert found.low[0] == pytest.approx(float(low), abs=0.02)
    assert found.high[0] == pytest.approx(float(high), abs=0.02)


def test_a_constant_difference_is_a_point_once_equal_signs_exclude_chance() -> None:
    """Three comparisons, 8 equal signs: 3 / 2⁷ < 0.05."""
    values = np.column_stack([np.arange(8.0), np.arange(8.0), np.arange(8.0) + 2.0])
    found = paired_differences(values, ALL_OF_3)
    assert found.low.tolist() == found.high.tolist() == [0.0, -2.0, -2.0]
    assert found.separated.tolist() == [False, True, True]
    assert found.p_value.tolist() == [1.0, 3.0 / 128.0, 3.0 / 128.0]


def test_a_difference_that_varies_by_rounding_only_is_constant_and_spoils_no_other() -> None:
    """0.3 · 7 − 0.1 · 7 has a standard deviation of 4e-16 over 50 equal rows, in binary."""
    noisy = 5.0 + stream(8).standard_normal(50)
    values = np.column_stack([noisy, np.full(50, 0.3) * 7.0, np.full(50, 0.1) * 7.0])
    found = paired_differences(values, ALL_OF_3)
    assert found.separated.all()
    assert np.isfinite(found.high).all()
    assert found.high[2] == found.low[2] == pytest.approx(1.4)


def test_few_replications_that_happen_to_agree_prove_nothing() -> None:
    """Two fair coins differ alike in both of 2 replications in one race of 8; 6 / 2⁵ > 0.05."""
    for size in (2, 6):
        values = np.column_stack([np.zeros(size), np.zeros(size), np.full(size, 0.2)])
        found = paired_differences(values, ALL_OF_3)
        assert not found.separated.any()
        assert np.isinf(found.low).all()
        assert found.p_value[1] == min(1.0, 3.0 / 2.0 ** (size - 1))


def test_two_replications_separate_nothing_that_varies() -> None:
    found = paired_differences(np.array([[0.0, 1.0], [0.0, 1.1]]), np.array([[1, 0]]))
    assert np.isinf(found.high).all()
    assert not found.separated.any()


def test_the_order_of_work_inside_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    values = stream(7).standard_normal((40, 5))
    pairs = np.array([[a, b] for a in range(5) for b in range(a)])
    whole = paired_differences(values, pairs)
    monkeypatch.setattr("qbrix.simulator.statistics._CHUNK", 6000)
    parts = paired_differences(values, pairs)
    np.testing.assert_allclose(parts.high, whole.high, rtol=1e-12)


def test_replications_needed_by_hand() -> None:
    """Differences 0 and 2 in turns: s² = 4/3 for four, δ = 1, z = 1.959964 and 1.281552.

    (1.959964 + 1.281552)² · 4/3 + 1.959964²/2 = 14.0099 + 1.9207 = 15.93.
    """
    first, second = np.array([0.0, 2.0, 0.0, 2.0]), np.zeros(4)
    assert replications_needed(first, second) == 16
    assert replications_needed(second, first) == 16
    assert replications_needed(first, second, difference=0.5) == 58  # 56.04 + 1.92
    assert replications_needed(first, second, power=0.5) == 8  # 5.12 + 1.92


def test_so_many_replications_separate_as_often_as_they_should() -> None:
    """Power .9: 2000 races of as many replications as needed; 5 standard deviations."""
    rng = stream(9)
    pilot = rng.standard_normal(4000) + 0.5
    pilot += 0.5 - pilot.mean()
    pilot = 0.5 + (pilot - 0.5) / pilot.std(ddof=1)
    needed = replications_needed(pilot, np.zeros(4000))
    _, low, _ = interval(0.5 + rng.standard_normal((needed, 2000)))
    assert abs((low > 0.0).mean() - 0.9) <= 5.0 * np.sqrt(0.9 * 0.1 / 2000)


def test_what_cannot_be_separated_is_said() -> None:
    same = np.array([1.0, 2.0])
    with pytest.raises(InvalidParameter, match=r"the replications show none; say which difference"):
        replications_needed(same, same)
    with pytest.raises(InvalidParameter, match=r"difference = 0.0"):
        replications_needed(same, same, difference=0.0)
    with pytest.raises(ShapeError, match=r"first has shape \(2,\) and second \(1,\)"):
        replications_needed(same, same[:1])
    with pytest.raises(ShapeError, match=r"values have shape \(2,\)"):
        paired_differences(same, ALL_OF_3)
