"""Section 7 of the public API: what happened, counted from the log."""

from __future__ import annotations

import time

import pytest

from serving.stack import Stack
from tests.conformance.clients import Json, refused
from tests.conformance.making import NOBODY, new_experiment, new_pool
from tests.conformance.people import Headers
from tests.conformance.rest import Rest
from tests.waiting import until

INSIGHT = "/api/v1/insight/experiment"
ROUTES = [
    *("", "/arms", "/timeseries", "/timeseries/rewards", "/timeseries/arms"),
    *("/funnel", "/cumulative"),
]
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def played(stack: Stack, admin: Headers) -> Json:
    """Six decisions, two of them the gate's, of five people; three rewards: 1, 0 and ½."""
    rest = Rest(stack.url, admin)
    pool = new_pool(rest)
    rule = {"key": "vip", "operator": "eq", "value": True, "arm_id": pool["arms"][2]["id"]}
    made = new_experiment(rest, pool_id=pool["id"], feature_gate={"rules": [rule]})
    began_ms = time.time_ns() // 1_000_000
    arms, requests = [], []
    for id, vip in (("u1", 0), ("u1", 0), ("u2", 0), ("u3", 0), ("u4", 1), ("u5", 1)):
        decision = rest.select(made["id"], id, metadata={"vip": bool(vip)})
        arms.append(decision["arm"]["index"])
        requests.append(decision["request_id"])
    rewards = (1.0, 0.0, 0.5)
    for request_id, reward in zip(requests, rewards, strict=False):
        rest.feedback(request_id, reward)

    def archived() -> bool:
        said = rest.ask("GET", f"{INSIGHT}/{made['id']}")
        return (said["total_selections"], said["total_feedback"]) == (6, 3)

    until(archived)
    ended_ms = time.time_ns() // 1_000_000
    rest.close()
    return {"id": made["id"], "arms": arms, "began_ms": began_ms, "ended_ms": ended_ms}


def ask(rest: Rest, played: Json, route: str, **query: int) -> Json:
    return dict(rest.ask("GET", f"{INSIGHT}/{played['id']}{route}", **query))


def test_totals(rest: Rest, played: Json) -> None:
    said = ask(rest, played, "")
    first, last = said.pop("first_selection_ms"), said.pop("last_selection_ms")
    assert played["began_ms"] <= first <= last <= played["ended_ms"]
    assert isinstance(first, int)
    assert said == {
        "experiment_id": played["id"],
        "total_selections": 6,
        "default_selections": 2,
        "unique_contexts": 5,
        "total_feedback": 3,
        "avg_reward": 0.5,
        "min_reward": 0.0,
        "max_reward": 1.0,
    }


def test_arms(rest: Rest, played: Json) -> None:
    said = ask(rest, played, "/arms")
    assert set(said) == {"experiment_id", "arms"}
    rewards: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for arm, reward in zip(played["arms"], (1.0, 0.0, 0.5), strict=False):
        rewards[arm].append(reward)
    assert said["arms"] == [
        {
            "arm_index": arm,
            "arm_name": "abc"[arm],
            "selections": played["arms"].count(arm),
            "feedback_count": len(paid),
            "avg_reward": sum(paid) / len(paid) if paid else None,
        }
        for arm, paid in rewards.items()
    ]


def test_series(rest: Rest, played: Json) -> None:
    """Summed over the intervals: the play may fall on both sides of a full hour."""
    selections = ask(rest, played, "/timeseries")
    rewards = ask(rest, played, "/timeseries/rewards")
    by_arm = ask(rest, played, "/timeseries/arms")
    cumulative = ask(rest, played, "/cumulative")
    for series in (selections, rewards, by_arm, cumulative):
        assert series["experiment_id"] == played["id"]
        times = [row["timestamp_ms"] for row in series["data"]]
        assert times == sorted(set(times))
        assert all(at % HOUR_MS == 0 for at in times)
    for series in (selections, rewards, by_arm):
        assert series["interval_ms"] == HOUR_MS
    rows = selections["data"]
    assert set(rows[0]) == {"timestamp_ms", "selections", "default_selections"}
    assert sum(row["selections"] for row in rows) == 6
    assert sum(row["default_selections"] for row in rows) == 2
    rows = rewards["data"]
    assert set(rows[0]) == {"timestamp_ms", "avg_reward", "feedback_count"}
    assert sum(row["feedback_count"] for row in rows) == 3
    assert sum(row["avg_reward"] * row["feedback_count"] for row in rows) == pytest.approx(1.5)
    cells = [arm for row in by_arm["data"] for arm in row["arms"]]
    assert set(cells[0]) == {"arm_index", "arm_name", "selections"}
    for arm in range(3):
        found = sum(cell["selections"] for cell in cells if cell["arm_index"] == arm)
        assert found == played["arms"].count(arm)
    last = cumulative["data"][-1]
    assert {**last, "timestamp_ms": 0} == {
        "timestamp_ms": 0,
        "cumulative_reward": 1.5,
        "cumulative_count": 3,
    }


def test_an_interval_may_be_chosen(rest: Rest, played: Json) -> None:
    said = ask(rest, played, "/timeseries", interval_ms=60_000)
    assert said["interval_ms"] == 60_000
    assert all(row["timestamp_ms"] % 60_000 == 0 for row in said["data"])
    assert sum(row["selections"] for row in said["data"]) == 6


def test_the_funnel(rest: Rest, played: Json) -> None:
    said = ask(rest, played, "/funnel")
    assert {name: said[name] for name in said if name != "experiment_id"} == {
        "total_selections": 6,
        "total_feedback": 3,
        "feedback_rate": 0.5,
    }


def test_the_start_is_in_and_the_end_is_not(rest: Rest, played: Json) -> None:
    totals = ask(rest, played, "")
    first, last = totals["first_selection_ms"], totals["last_selection_ms"]
    inside = ask(rest, played, "", start_ms=first, end_ms=last + 1)
    assert inside["total_selections"] == 6
    assert ask(rest, played, "", start_ms=last + 1)["total_selections"] == 0
    assert ask(rest, played, "", end_ms=first)["total_selections"] == 0
    assert ask(rest, played, "", end_ms=last)["total_selections"] < 6
    assert ask(rest, played, "", start_ms=last)["total_selections"] >= 1


def test_of_nothing_there_is_no_reward(rest: Rest) -> None:
    empty = new_experiment(rest)
    assert ask(rest, empty, "") == {
        "experiment_id": empty["id"],
        **dict.fromkeys(
            ("total_selections", "default_selections", "unique_contexts", "total_feedback"), 0
        ),
        **dict.fromkeys(
            (
                *("first_selection_ms", "last_selection_ms"),
                *("avg_reward", "min_reward", "max_reward"),
            )
        ),
    }
    assert ask(rest, empty, "/funnel")["feedback_rate"] == 0
    for route in ("/timeseries", "/timeseries/rewards", "/timeseries/arms", "/cumulative"):
        assert ask(rest, empty, route)["data"] == []
    arms = ask(rest, empty, "/arms")["arms"]
    assert [(arm["selections"], arm["avg_reward"]) for arm in arms] == [(0, None)] * 3


@pytest.mark.parametrize("route", ROUTES)
def test_nothing_is_told_of_what_is_not_there(rest: Rest, route: str) -> None:
    with refused(404, "EXPERIMENT_NOT_FOUND"):
        rest.ask("GET", f"{INSIGHT}/{NOBODY}{route}")


@pytest.mark.parametrize("query", [{"start_ms": -1}, {"start_ms": 2, "end_ms": 1}])
def test_a_span_that_cannot_be_is_refused(rest: Rest, played: Json, query: dict[str, int]) -> None:
    with refused(422, "VALIDATION_ERROR"):
        ask(rest, played, "", **query)


def test_an_interval_is_a_positive_number(rest: Rest, played: Json) -> None:
    with refused(422, "VALIDATION_ERROR"):
        ask(rest, played, "/timeseries", interval_ms=0)
