"""Tables and provenance."""

from __future__ import annotations

import json
import platform
from typing import Any

import numpy as np
import pandas as pd
import pytest

import qbrix
from qbrix.environments import Bernoulli
from qbrix.errors import UnknownName
from qbrix.policies import get
from qbrix.policies.random import RandomPolicy
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


def row(table: pd.DataFrame, label: str) -> dict[str, Any]:
    return {str(name): value for name, value in table.loc[label].to_dict().items()}


def test_the_summary_has_a_row_per_policy_and_the_best_comes_first(
    result: SimulationResult,
) -> None:
    table = result.summary()
    assert list(table.index) == ["good", "ts", "<bad>"]
    assert list(table.columns) == [
        "regret",
        "regret_low",
        "regret_high",
        "extra_regret",
        "extra_regret_low",
        "extra_regret_high",
        "separated",
        "realised_regret",
        "mean_reward",
        "mean_reward_low",
        "mean_reward_high",
        "best_arm_rate",
        "microseconds_per_decision",
        "state_bytes",
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


def test_nobody_is_ahead_without_an_interval(result: SimulationResult) -> None:
    """Ten replications of a skewed regret may leave it open; a hundred are 10 errors from 0."""
    table = simulate(
        result.policies, result.environment, horizon=50, replications=100, seed=3, progress=False
    ).summary()
    bad = row(table, "<bad>")
    assert bad["extra_regret_low"] == bad["extra_regret_high"]
    assert table["separated"].tolist() == [True, True, True]
    assert row(table, "ts")["extra_regret_low"] > 0.0
    alone = simulate(ConstantPolicy(), Bernoulli([0.5]), horizon=3, replications=3, progress=False)
    assert alone.summary()["separated"].tolist() == [False]
    twins = simulate(
        {"a": RandomPolicy(), "b": RandomPolicy(), "c": RandomPolicy()},
        Bernoulli([0.4, 0.6]),
        horizon=50,
        replications=30,
        seed=2,
        progress=False,
    )
    assert twins.summary()["separated"].tolist() == [False, False, False]
    assert "not ahead of all" in twins._repr_html_()


def test_realised_regret_counts_rewards_and_sizes_are_of_one_state(
    result: SimulationResult,
) -> None:
    """Mean .7 in 50 rounds; ConstantPolicy keeps two numbers for each of two arms and two more."""
    table = result.summary()
    for label in table.index:
        paid = result.traces[label].reward[:, -1].mean()
        assert table.loc[label, "realised_regret"] == pytest.approx(35.0 - paid)
    assert table.loc["good", "state_bytes"] == 6 * 8


def test_arm_shares_are_of_all_choices(result: SimulationResult) -> None:
    table = result.arm_shares()
    assert list(table.index) == list(result.summary().index)
    assert list(row(table, "good").values()) == [0.0, 1.0]
    assert list(row(table, "<bad>").values()) == [1.0, 0.0]
    rate = row(result.summary(), "ts")["best_arm_rate"]
    assert row(table, "ts")["1"] == pytest.approx(rate)


def test_a_named_baseline_needs_fewer_comparisons_than_the_best_one() -> None:
    arms = {f"{mean}": ConstantPolicy(arm=i) for i, mean in enumerate([0.5, 0.5, 0.5])}
    race = simulate(
        {**arms, "ts": get("beta_ts")(), "ucb": get("ucb1")(), "random": RandomPolicy()},
        Bernoulli([0.5, 0.4, 0.45]),
        horizon=100,
        replications=40,
        progress=False,
    )
    leader = str(race.summary().index[0])
    chosen, named = row(race.compare(), "random"), row(race.compare(leader), "random")
    assert chosen["extra_regret"] == named["extra_regret"]
    assert chosen["extra_regret_low"] < named["extra_regret_low"]
    assert chosen["p_value"] >= named["p_value"]


def test_replications_needed_are_those_of_the_final_regrets(result: SimulationResult) -> None:
    assert result.replications_needed("ts", "<bad>") >= 2
    more = result.replications_needed("ts", "good", difference=0.1)
    assert more > result.replications_needed("ts", "good", difference=0.2)
    with pytest.raises(UnknownName, match="unknown policy label 'nobody'"):
        result.replications_needed("nobody", "good")


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
    assert told["summary"]["<bad>"]["separated"] is True


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
