"""Section 3 of the public API: which rewards count, and when; three arms, Beta(1, 1) each.

An arm at Beta(a, b) beats two at Beta(1, 1) with the chance E[x²] = a(a+1) / ((a+b)(a+b+1)).
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import pytest

from serving.stack import Stack
from tests.conformance.clients import Json, refused
from tests.conformance.making import new_experiment
from tests.conformance.people import Headers
from tests.conformance.rest import Rest
from tests.waiting import until

V1 = "/api/v1"
RETRACT = f"{V1}/agent/feedback/retract"
WINDOW_S = 10.0  # long enough for a slow machine to be in time
DEFAULTS: Json = {
    "window_s": None,
    "default_reward": None,
    "aggregation": "first",
    "exploration_floor": 0.0,
    "reward_range": None,
}
Windows = dict[str, tuple[str, Json]]


def chance(rest: Rest, decision: Json, experiment: str) -> float:
    """With which the arm of the decision is chosen now; the other two share the rest."""
    law = rest.ask("GET", f"{V1}/experiments/{experiment}/state")["propensities"]
    chosen = decision["arm"]["index"]
    others = [p for arm, p in enumerate(law) if arm != chosen]
    assert others[0] == pytest.approx(others[1], abs=1e-9)
    return float(law[chosen])


def becomes(rest: Rest, decision: Json, experiment: str, expected: float) -> None:
    """Wait until the arm's chance is what is expected."""
    until(lambda: chance(rest, decision, experiment) == pytest.approx(expected, abs=1e-9))


def version(rest: Rest, experiment: str) -> int:
    return int(rest.ask("GET", f"{V1}/experiments/{experiment}/state")["version"])


def give(rest: Rest, decision: Json, reward: float, **more: Any) -> Json:
    """One reward under a name of its own."""
    body = {"request_id": decision["request_id"], "reward": reward, **more}
    return dict(rest.ask("POST", f"{V1}/agent/feedback", body))


@pytest.fixture(scope="module")
def windows(stack: Stack, admin: Headers) -> Windows:
    """Aggregation, or what becomes of a decision → experiment and decision; all close together."""
    made: dict[str, tuple[str, Json]] = {}
    with closing(Rest(stack.url, admin)) as rest:
        for name in ("sum", "max", "last", "late", "default"):
            learning: Json = {"window_s": WINDOW_S}
            if name in ("sum", "max", "last"):
                learning["aggregation"] = name
            if name == "default":
                learning["default_reward"] = 0.0
            experiment = new_experiment(rest, learning=learning)
            shown = experiment["learning"]
            assert shown == {**DEFAULTS, **learning}
            decision = rest.select(experiment["id"])
            made[name] = (experiment["id"], decision)
            if "aggregation" in learning:
                give(rest, decision, 0.5, feedback_id="early")
                give(rest, decision, 0.25, feedback_id="later")
                assert chance(rest, decision, experiment["id"]) == pytest.approx(1 / 3, abs=1e-9)
    return made


def test_a_decision_has_one_reward_unless_they_have_names(rest: Rest) -> None:
    experiment = new_experiment(rest)["id"]
    decision = rest.select(experiment)
    give(rest, decision, 1.0)
    assert give(rest, decision, 0.0)["duplicate"] is True
    becomes(rest, decision, experiment, 2 * 3 / (3 * 4))
    give(rest, decision, 0.0, feedback_id="another")
    becomes(rest, decision, experiment, 2 * 3 / (4 * 5))


def test_a_reward_that_is_taken_back_was_never_learned(rest: Rest) -> None:
    experiment = new_experiment(rest)["id"]
    decision = rest.select(experiment)
    give(rest, decision, 1.0)
    becomes(rest, decision, experiment, 1 / 2)
    answer = rest.http.post(RETRACT, json={"request_id": decision["request_id"]})
    assert answer.status_code == 201
    assert rest.read(answer) == {"accepted": True, "duplicate": False}
    becomes(rest, decision, experiment, 1 / 3)


def test_only_what_is_ours_is_taken_back(rest: Rest) -> None:
    assert rest.ask("POST", RETRACT, {"request_id": ""})["accepted"] is False
    with refused(400, "FEEDBACK_FAILED"):
        rest.ask("POST", RETRACT, {"request_id": "forged"})
    with refused(422, "VALIDATION_ERROR"):
        rest.ask("POST", RETRACT, {"request_id": "forged", "reward": 1})


@pytest.mark.parametrize(("aggregation", "total"), [("sum", 0.75), ("max", 0.5), ("last", 0.25)])
def test_rewards_are_folded_once_at_the_close_of_the_window(
    rest: Rest, windows: Windows, aggregation: str, total: float
) -> None:
    experiment, decision = windows[aggregation]
    alpha = 1 + total
    becomes(rest, decision, experiment, alpha * (alpha + 1) / (3 * 4))


def test_a_decision_without_feedback_gets_the_default_once(rest: Rest, windows: Windows) -> None:
    experiment, decision = windows["default"]
    becomes(rest, decision, experiment, 1 * 2 / (3 * 4))
    before = version(rest, experiment)
    assert give(rest, decision, 1.0)["accepted"] is True
    until(lambda: version(rest, experiment) > before)
    assert chance(rest, decision, experiment) == pytest.approx(1 / 6, abs=1e-9)


def test_after_the_window_a_reward_is_recorded_and_not_trained(
    rest: Rest, windows: Windows
) -> None:
    experiment, decision = windows["late"]
    time.sleep(WINDOW_S + 0.1)
    before = version(rest, experiment)
    assert give(rest, decision, 1.0)["accepted"] is True
    until(lambda: version(rest, experiment) > before)
    assert chance(rest, decision, experiment) == pytest.approx(1 / 3, abs=1e-9)


@pytest.mark.parametrize(
    "learning",
    [
        {"window_s": 0},
        {"window_s": -1},
        {"window_s": "60"},
        {"default_reward": 0.0},
        {"aggregation": "sum"},
        {"aggregation": "mean", "window_s": 60},
        {"window_s": 60, "default_reward": 2.0},
    ],
)
def test_learning_that_cannot_be_is_refused(rest: Rest, learning: Json) -> None:
    with refused(422, "VALIDATION_ERROR"):
        new_experiment(rest, learning=learning)


def test_null_is_a_value_of_a_window(rest: Rest) -> None:
    made = new_experiment(rest, learning={"window_s": 60, "default_reward": 0.5})
    cleared = {"window_s": None, "default_reward": None}
    changed = rest.update_experiment(made["id"], learning=cleared)
    assert changed["learning"] == {**made["learning"], **cleared}
