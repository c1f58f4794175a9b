"""The numbers behind the pictures."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.environments import Bernoulli, LinearContextual
from qbrix.plots._frames import arm_shares, final_differences, references, regret_bands
from qbrix.plots._style import spread
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.random import RandomPolicy
from qbrix.simulator import SimulationResult, simulate
from qbrix.simulator.metrics import Trace
from qbrix.simulator.schedule import Schedule


def by_hand() -> SimulationResult:
    """Two policies, two replications, checkpoints 1 and 4, two arms."""
    empty = np.zeros((2, 2), dtype=np.int64)
    steep = Trace(
        regret=np.array([[1.0, 6.0], [3.0, 10.0]]),
        realised=np.zeros((2, 2)),
        reward=np.zeros((2, 2)),
        best=empty,
        pulls=np.array([[2, 0], [4, 4]]),
        seconds_per_decision=1e-6,
        state_bytes=16.0,
    )
    flat = Trace(
        regret=np.zeros((2, 2)),
        realised=np.zeros((2, 2)),
        reward=np.zeros((2, 2)),
        best=empty,
        pulls=np.array([[1, 1], [1, 7]]),
        seconds_per_decision=1e-6,
        state_bytes=16.0,
    )
    return SimulationResult(
        policies={"steep": RandomPolicy(), "flat": RandomPolicy()},
        environment=Bernoulli([0.5, 0.5]),
        horizon=4,
        replications=2,
        seed=0,
        schedule=Schedule(),
        checkpoints=np.array([1, 4]),
        traces={"steep": steep, "flat": flat},
    )


def test_bands_are_mean_and_interval_by_policy_and_round() -> None:
    """Student's t with 1 degree of freedom is 12.706205; standard errors are 1 and 2."""
    bands = regret_bands(by_hand())
    assert bands["policy"].tolist() == ["flat", "flat", "steep", "steep"]
    assert bands["round"].tolist() == [1, 4, 1, 4]
    assert bands["mean"].tolist() == [0.0, 0.0, 2.0, 8.0]
    half = (bands["high"] - bands["mean"]).tolist()
    assert half == pytest.approx([0.0, 0.0, 12.706205, 25.412410], abs=1e-5)
    assert (bands["mean"] - bands["low"]).tolist() == pytest.approx(half)


def test_references_are_the_slope_of_lai_and_robbins_and_the_minimax_rate() -> None:
    """kl(.2, .7) = .2 ln(2/7) + .8 ln(8/3) = .534111, so that the slope is .5/.534111 = .936135."""
    result = simulate(
        RandomPolicy(),
        Bernoulli([0.2, 0.7]),
        horizon=800,
        replications=2,
        checkpoints=[1, 200, 400],
        progress=False,
    )
    slope, rate = (part for _, part in references(result).groupby("reference", sort=False))
    assert rate["value"].iloc[-1] == 40.0
    assert rate["round"].tolist() == [1, 200, 400, 800]
    assert slope["value"].iloc[-1] == result.traces["Random"].regret[:, -1].mean()
    steps = slope["value"].diff().iloc[-2:].tolist()
    assert steps == pytest.approx([0.936135 * np.log(2.0)] * 2, abs=1e-5)


def test_a_slope_ends_where_it_would_be_less_than_nothing() -> None:
    result = simulate(
        BetaTSPolicy(),
        Bernoulli([0.5, 0.49]),
        horizon=800,
        replications=2,
        checkpoints=[1, 400],
        progress=False,
    )
    lines = references(result)
    assert (lines["value"] >= 0.0).all()
    assert len(lines) < 6


def test_there_is_no_reference_where_none_is_known() -> None:
    equal = by_hand()
    assert references(equal).empty
    linear = LinearContextual.random(n_arms=2, dim=2)
    result = simulate(RandomPolicy(), linear, horizon=2, replications=2, progress=False)
    assert references(result).empty


def test_differences_are_against_the_baseline() -> None:
    """Final regrets 6 and 10 against 0 and 0."""
    table, reference = final_differences(by_hand())
    assert reference == "flat"
    assert table.index.tolist() == ["steep"]
    assert table["mean"].tolist() == [8.0]
    turned, reference = final_differences(by_hand(), baseline="steep")
    assert (reference, turned["mean"].tolist()) == ("steep", [-8.0])


def test_shares_are_of_the_choices_since_the_checkpoint_before() -> None:
    frames = arm_shares(by_hand())
    assert list(frames) == ["flat", "steep"]
    assert frames["steep"].columns.tolist() == ["0", "1"]
    assert frames["steep"].index.tolist() == [1, 4]
    np.testing.assert_allclose(frames["steep"], [[1.0, 0.0], [1 / 3, 2 / 3]])
    np.testing.assert_allclose(frames["flat"], [[0.5, 0.5], [0.0, 1.0]])


def test_rarely_chosen_arms_share_a_column_in_every_panel() -> None:
    result = simulate(
        [RandomPolicy()],
        Bernoulli([0.5] * 12),
        horizon=200,
        replications=3,
        progress=False,
    )
    frame = arm_shares(result, most=4)["Random"]
    most = np.sort(np.argsort(-result.traces["Random"].pulls[-1], kind="stable")[:3])
    assert frame.columns.tolist() == [*map(str, most), "others"]
    np.testing.assert_allclose(frame.sum(axis=1), 1.0)


@pytest.mark.parametrize(
    ("wanted", "placed"),
    [
        ([5.0], [5.0]),
        ([9.0, 1.0], [9.0, 1.0]),
        ([2.0, 2.0], [1.5, 2.5]),
        ([0.0, 0.5, 9.0], [-0.25, 0.75, 9.0]),
        ([0.0, 0.9, 1.2], [-0.3, 0.7, 1.7]),
    ],
)
def test_labels_keep_a_gap_of_1_and_stay_about_their_centre(
    wanted: list[float], placed: list[float]
) -> None:
    """Third of (0, .9, 1.2): one group about its mean .7."""
    np.testing.assert_allclose(spread(wanted, gap=1.0), placed)


def test_labels_stay_above_the_axis() -> None:
    """(.2, 0) would be placed at (.6, -.4); 9 is far away and 2.1 is pushed by the others."""
    assert spread([0.2, 0.0, 9.0], gap=1.0, least=0.0).tolist() == [1.0, 0.0, 9.0]
    assert spread([2.1, 0.2, 0.0], gap=1.0, least=0.5).tolist() == [2.5, 1.5, 0.5]
