"""Tables and provenance."""

from __future__ import annotations

import json
import platform

import numpy as np
import pytest

import qbrix
from qbrix.environments import Bernoulli
from qbrix.errors import UnknownName
from qbrix.policies import get
from qbrix.simulator import Schedule, SimulationResult, simulate
from tests.simulator.by_hand import ConstantPolicy


@pytest.fixture(scope="module")
def result() -> SimulationResult:
    return simulate(
        {"<bad>": ConstantPolicy(arm=0), "good": ConstantPolicy(arm=1), "ts": get("beta_ts")()},
        Bernoulli([0.2, 0.7]),
        horizon=50,
        replications=10,
        seed=3,
        checkpoints=[10, 50],
        progress=False,
    )


def test_the_summary_has_a_row_per_policy_and_the_best_comes_first(
    result: SimulationResult,
) -> None:
    table = result.summary()
    assert list(table.index) == ["good", "ts", "<bad>"]
    assert list(table.columns) == [
        "regret",
        "regret_low",
        "regret_high",
        "mean_reward",
        "mean_reward_low",
        "mean_reward_high",
        "best_arm_rate",
        "microseconds_per_decision",
    ]
    assert table.loc["<bad>", "regret"] == pytest.approx(25.0)
    assert table.loc["<bad>", "best_arm_rate"] == 0.0
    assert table.loc["good", "best_arm_rate"] == 1.0
    assert (table["microseconds_per_decision"] > 0.0).all()


def test_mean_reward_is_per_round_with_an_interval_over_replications(
    result: SimulationResult,
) -> None:
    """Student's t with 9 degrees of freedom is 2.262157."""
    per_round = result.traces["good"].reward[:, -1] / 50.0
    row = result.summary().loc["good"]
    assert row["mean_reward"] == pytest.approx(per_round.mean())
    half = 2.262157 * per_round.std(ddof=1) / np.sqrt(10.0)
    assert row["mean_reward_high"] - row["mean_reward"] == pytest.approx(half, rel=1e-6)


def test_comparisons_are_paired_over_replications(result: SimulationResult) -> None:
    table = result.compare()
    assert list(table.index) == ["ts", "<bad>"]
    assert table.loc["<bad>", "extra_regret"] == pytest.approx(25.0)
    difference = result.traces["<bad>"].regret[:, -1] - result.traces["ts"].regret[:, -1]
    against = result.compare("ts").loc["<bad>"]
    assert against["extra_regret"] == pytest.approx(difference.mean())
    with pytest.raises(UnknownName, match="unknown policy label 'goood'; did you mean good"):
        result.compare("goood")


def test_the_tidy_frame_has_a_row_per_policy_replication_and_checkpoint(
    result: SimulationResult,
) -> None:
    frame = result.to_frame()
    assert len(frame) == 3 * 10 * 2
    row = frame.query("policy == '<bad>' and replication == 4 and round == 10").iloc[0]
    assert row["regret"] == pytest.approx(5.0)
    assert row["reward"] == result.traces["<bad>"].reward[4, 0]
    assert row["best_arm_rate"] == 0.0


def test_provenance_is_json_that_names_everything_needed_to_run_again(
    result: SimulationResult,
) -> None:
    told = json.loads(json.dumps(result.provenance, allow_nan=False))
    assert told["environment"] == {"id": "Bernoulli@1", "parameters": {"means": [0.2, 0.7]}}
    assert (told["seed"], told["horizon"], told["replications"]) == (3, 50, 10)
    assert told["policies"]["<bad>"] == {"id": "ConstantPolicy@1", "parameters": {"arm": 0}}
    assert told["schedule"] == Schedule().parameters()
    assert told["versions"]["qbrix"] == qbrix.__version__
    assert told["versions"]["python"] == platform.python_version()
    assert told["summary"]["<bad>"]["regret"] == pytest.approx(25.0)


def test_provenance_of_one_replication_has_no_invented_interval() -> None:
    single = simulate(ConstantPolicy(), Bernoulli([0.5]), horizon=3, replications=1, progress=False)
    told = json.loads(json.dumps(single.provenance, allow_nan=False))
    assert told["summary"]["Constant"]["regret_low"] is None


def test_the_notebook_table_escapes_labels_and_names_the_race(result: SimulationResult) -> None:
    html = result._repr_html_()
    assert "&lt;bad&gt;" in html
    assert "<bad>" not in html
    assert "50 rounds × 10 replications, seed 3" in html
    assert "25.00 ± 0.00" in html


def test_the_repr_is_the_table_in_plain_text(result: SimulationResult) -> None:
    assert repr(result).startswith("<SimulationResult: Bernoulli([0.2, 0.7]), 50 rounds × 10")


def test_a_schedule_stands_in_the_title() -> None:
    late = simulate(
        ConstantPolicy(),
        Bernoulli([0.5]),
        horizon=3,
        replications=2,
        schedule=Schedule(delay=2),
        progress=False,
    )
    assert "Schedule(delay=2)" in repr(late)
