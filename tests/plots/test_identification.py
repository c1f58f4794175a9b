"""Pictures of searches: the numbers behind them, and that they are drawn."""

from __future__ import annotations

import io
from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from qbrix.environments import Bernoulli
from qbrix.plots._identification_frames import (
    arm_shares,
    error_rates,
    errors_by_budget,
    mean_rounds,
)
from qbrix.plots.identification import draw_budgets
from qbrix.policies.uniform_sampling import UniformSamplingPolicy
from qbrix.simulator import IdentificationResult
from qbrix.simulator.identification import Identification


def by_hand(*, horizon: int = 40, confidence: float | None = 0.95) -> IdentificationResult:
    """Two policies and four searches: a quick one that errs, a slow one that is cut off once."""
    quick = Identification(
        rounds=np.array([10, 10, 20, 20]),
        arms=np.array([0, 0, 1, 1]),
        right=np.array([True, True, False, False]),
        stopped=np.ones(4, dtype=np.bool_),
        pulls=np.array([[5, 5], [5, 5], [15, 5], [15, 5]]),
    )
    slow = Identification(
        rounds=np.array([30, 40, 30, 40]),
        arms=np.zeros(4, dtype=np.int64),
        right=np.ones(4, dtype=np.bool_),
        stopped=np.array([True, False, True, True]),
        pulls=np.array([[30, 0], [40, 0], [30, 0], [40, 0]]),
    )
    return IdentificationResult(
        policies={"slow": UniformSamplingPolicy(), "quick": UniformSamplingPolicy()},
        environment=Bernoulli([0.6, 0.4]),
        confidence=confidence,
        horizon=horizon,
        replications=4,
        seed=0,
        searches={"slow": slow, "quick": quick},
    )


@pytest.fixture(autouse=True)
def _off_screen() -> Iterator[None]:
    with mpl.rc_context({"backend": "agg"}):
        yield
        plt.close("all")


def test_rounds_come_fastest_first_and_tell_who_was_cut_off() -> None:
    frame = mean_rounds(by_hand())
    assert frame["policy"].tolist() == ["quick", "slow"]
    assert frame["mean"].tolist() == [15.0, 35.0]
    assert frame["complete"].tolist() == [True, False]


def test_errors_come_fewest_first() -> None:
    frame = error_rates(by_hand())
    assert frame["policy"].tolist() == ["slow", "quick"]
    assert frame["mean"].tolist() == [0.0, 0.5]
    assert frame["low"].tolist()[0] == 0.0


def test_shares_are_means_over_searches_beside_the_best_possible_ones() -> None:
    """(½ + ½ + ¾ + ¾) / 4 = .625; two arms at equal distance from ½ deserve ½ each."""
    frame = arm_shares(by_hand())
    assert frame.index.tolist() == ["best possible", "quick", "slow"]
    np.testing.assert_allclose(frame, [[0.5, 0.5], [0.625, 0.375], [1.0, 0.0]], atol=1e-9)


def test_budgets_are_in_order() -> None:
    results = [by_hand(horizon=horizon, confidence=None) for horizon in (80, 40)]
    frame = errors_by_budget(results)
    assert frame["budget"].tolist() == [40, 40, 80, 80]
    assert frame["policy"].tolist() == ["slow", "quick", "slow", "quick"]


def test_pictures_name_their_axes_and_policies() -> None:
    plots = by_hand().plot
    rounds, errors, shares = plots.rounds(), plots.errors(), plots.shares()
    assert rounds.get_xlabel() == "rounds until it stopped"
    assert [label.get_text() for label in rounds.get_yticklabels()] == ["quick", "slow"]
    assert errors.get_xlabel() == "share of wrong recommendations"
    assert [text.get_text() for text in errors.texts] == ["asked for: at most 0.05"]
    assert shares.get_xlabel() == "share of the observations"
    curves = draw_budgets([by_hand(horizon=h, confidence=None) for h in (40, 80)])
    assert curves.get_xlabel() == "budget in rounds"
    assert {str(line.get_label()) for line in curves.lines} == {"quick", "slow"}
    plt.savefig(io.BytesIO())


def test_pictures_draw_into_given_axes() -> None:
    given = plt.figure().subplots()
    assert by_hand(confidence=None).plot.errors(ax=given) is given
