"""What conditions cost: the numbers and the picture."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from qbrix.environments import Bernoulli, MissingFeedback
from qbrix.errors import InvalidParameter
from qbrix.plots import draw_conditions
from qbrix.plots._costs import condition_costs
from qbrix.policies import get
from qbrix.simulator import Schedule, SimulationResult, simulate
from tests.simulator.by_hand import ConstantPolicy

ARMS = Bernoulli([0.2, 0.7])


@pytest.fixture(autouse=True)
def _off_screen() -> Iterator[None]:
    with mpl.rc_context({"backend": "agg"}):
        yield
        plt.close("all")


def race(environment: Any = ARMS, **options: Any) -> SimulationResult:
    settings = {"horizon": 60, "replications": 5, "progress": False, **options}
    return simulate({"ts": get("beta_ts")(), "bad": ConstantPolicy()}, environment, **settings)


@pytest.fixture(scope="module")
def results() -> dict[str, SimulationResult]:
    return {
        "at once": race(),
        "late": race(schedule=Schedule(delay=20)),
        "never": race(MissingFeedback(ARMS, rate=1.0)),
    }


def test_a_constant_choice_costs_the_same_under_every_condition(
    results: dict[str, SimulationResult],
) -> None:
    """60 rounds with a gap of 0.5."""
    costs = condition_costs(results)
    bad = costs[costs.policy == "bad"]
    assert bad.condition.tolist() == ["at once", "late", "never"]
    assert bad[["regret", "low", "high"]].to_numpy() == pytest.approx(np.full((3, 3), 30.0))
    assert (bad[["extra", "extra_low", "extra_high"]] == 0.0).all(axis=None)


def test_the_cost_is_the_mean_difference_in_pairs(results: dict[str, SimulationResult]) -> None:
    """Student's t with 4 degrees of freedom, two-sided 95 %: 2.776445."""
    costs = condition_costs(results).set_index(["policy", "condition"])
    late: Any = costs.loc[("ts", "late")]
    final = {name: result.traces["ts"].regret[:, -1] for name, result in results.items()}
    differences = final["late"] - final["at once"]
    half = 2.776445 * differences.std(ddof=1) / np.sqrt(5)
    expected = [differences.mean(), differences.mean() - half, differences.mean() + half]
    assert late[["extra", "extra_low", "extra_high"]].tolist() == pytest.approx(expected, rel=1e-6)
    assert late.regret == pytest.approx(final["late"].mean())


def test_policies_come_by_regret_under_the_first_condition(
    results: dict[str, SimulationResult],
) -> None:
    assert condition_costs(results).policy.unique().tolist() == ["ts", "bad"]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"horizon": 61}, "horizon is 60 under 'a' and 61 under 'b'"),
        ({"replications": 6}, "replications is 5 under 'a' and 6 under 'b'"),
        ({"seed": 1}, "seed is 0 under 'a' and 1 under 'b'"),
    ],
)
def test_races_that_differ_otherwise_are_not_compared(other: dict[str, int], said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        condition_costs({"a": race(), "b": race(**other)})


def test_races_of_other_policies_and_none_are_refused() -> None:
    alone = simulate([ConstantPolicy()], ARMS, horizon=60, replications=5, progress=False)
    with pytest.raises(InvalidParameter, match="same policies: Constant, bad, ts"):
        condition_costs({"a": race(), "b": alone})
    with pytest.raises(InvalidParameter, match="results is empty"):
        condition_costs({})


def test_every_policy_has_a_panel_with_a_row_per_condition(
    results: dict[str, SimulationResult],
) -> None:
    figure = draw_conditions(results)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["ts", "bad"]
    first = figure.axes[0]
    assert [label.get_text() for label in first.get_yticklabels()] == list(results)
    costs = condition_costs(results)
    dots = first.lines[1].get_xdata()
    assert np.array_equal(dots, costs.regret[costs.policy == "ts"])
    sure = costs[(costs.policy == "ts") & (costs.extra_low > 0.0)]
    assert [text.get_text() for text in first.texts] == [f"{extra:+.0f}" for extra in sure.extra]
    assert not figure.axes[1].texts
    figure.savefig(io.BytesIO())


def test_a_single_replication_has_no_interval_and_is_drawn_all_the_same() -> None:
    draw_conditions({"a": race(replications=1)}).savefig(io.BytesIO())
