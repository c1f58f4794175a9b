"""Section 5 of the public API: who is kept from the bandit, on both transports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import pytest

from tests.conformance.clients import Client, Json, refused
from tests.conformance.making import NOBODY, new_experiment, new_pool
from tests.conformance.rest import Rest
from tests.waiting import until

GATES = "/api/v1/gates"
DEFAULTS: Json = {
    "enabled": True,
    "rollout_percentage": 100.0,
    "default_arm_id": None,
    "schedule_start": None,
    "schedule_end": None,
    "active_hours_start": None,
    "active_hours_end": None,
    "timezone": "UTC",
    "rules": [],
}
SHARES = {
    "visitor-1": 11,
    "visitor-2": 44,
    "visitor-42": 22,
    "user-1": 68,
    "user-42": 98,
    "": 76,
}
PAST, FUTURE = "2020-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"


def gated(client: Client, **gate: Any) -> Json:
    """An experiment behind a gate, on arms a, b and c."""
    return new_experiment(client, feature_gate=gate)


def clock(moment: datetime) -> str:
    return moment.strftime("%H:%M")


def evaluate(rest: Rest, experiment: Json, id: str = "u", **metadata: Any) -> Json:
    """Where somebody would go."""
    body = {"context_id": id, "context_metadata": metadata}
    return dict(rest.ask("POST", f"{GATES}/{experiment['id']}/evaluate", body))


def reached(rest: Rest, experiment: Json, id: str = "u", **metadata: Any) -> tuple[str, Any]:
    """The reason, and the arm's name if the gate gives one."""
    said = evaluate(rest, experiment, id, **metadata)
    assert said["eligible"] is (said["arm_id"] is None)
    return said["reason"], said["arm_name"]


def test_a_gate_has_its_defaults(client: Client) -> None:
    experiment = new_experiment(client)["id"]
    with refused(404, "GATE_NOT_FOUND"):
        client.get_gate(experiment)
    made = client.create_gate(experiment)
    assert {name: made[name] for name in DEFAULTS} == DEFAULTS
    assert client.get_gate(experiment) == made
    with refused(409, "GATE_ALREADY_EXISTS"):
        client.create_gate(experiment)
    client.delete_gate(experiment)
    for call in (client.get_gate, client.delete_gate, client.put_gate, client.patch_gate):
        with refused(404, "GATE_NOT_FOUND"):
            call(experiment)
    for call in (client.get_gate, client.delete_gate, client.put_gate, client.create_gate):
        with refused(404, "EXPERIMENT_NOT_FOUND"):
            call(NOBODY)


def test_http_shows_version_and_names(rest: Rest) -> None:
    made = new_experiment(rest)
    url, b = f"{GATES}/{made['id']}", made["pool"]["arms"][1]
    rule = {"key": "plan", "operator": "in", "value": ["pro"], "arm_name": "b"}
    gate = rest.ask("POST", url, {"default_arm_id": b["id"], "rules": [rule]})
    assert set(gate) == {
        *DEFAULTS,
        *("experiment_id", "default_arm_name", "updated_at", "version"),
    }
    assert gate["experiment_id"] == made["id"]
    assert gate["default_arm_name"] == "b"
    assert gate["rules"] == [{**rule, "arm_id": b["id"]}]
    versions = [gate["version"]]
    versions.append(rest.put_gate(made["id"], **gate)["version"])
    versions.append(rest.patch_gate(made["id"], enabled=False)["version"])
    assert versions == [1, 2, 3]


def test_a_put_replaces_and_a_patch_takes_a_part(client: Client) -> None:
    pool = new_pool(client)
    experiment = new_experiment(client, pool_id=pool["id"])["id"]
    arm = pool["arms"][1]["id"]
    whole = {
        "enabled": False,
        "rollout_percentage": 12.5,
        "default_arm_id": arm,
        "schedule_start": PAST,
        "schedule_end": FUTURE,
        "active_hours_start": "09:00",
        "active_hours_end": "17:30",
        "timezone": "Europe/Paris",
        "rules": [{"key": "n", "operator": "greater_than", "value": 3, "arm_id": arm}],
    }
    made = client.create_gate(experiment, **whole)
    for name, value in whole.items():
        if name == "rules":
            assert whole["rules"] == [
                {field: rule[field] for field in ("key", "operator", "value", "arm_id")}
                for rule in made["rules"]
            ]
        else:
            assert made[name] == value
    patched = client.patch_gate(experiment, rollout_percentage=99.0)
    assert {**patched, "rollout_percentage": 12.5, **_moving(made)} == made
    cleared = client.patch_gate(experiment, default_arm_id=None, schedule_end=None)
    assert cleared["default_arm_id"] is None
    assert (cleared["schedule_start"], cleared["schedule_end"]) == (PAST, None)
    cleared = client.patch_gate(experiment, active_hours_start=None, active_hours_end=None)
    assert (cleared["active_hours_start"], cleared["active_hours_end"]) == (None, None)
    assert cleared["timezone"] == "Europe/Paris"
    replaced = client.put_gate(experiment, rollout_percentage=40.0)
    kept = {name: replaced[name] for name in DEFAULTS}
    assert kept == {**DEFAULTS, "rollout_percentage": 40.0}


def _moving(gate: Json) -> Json:
    """What changes with every write."""
    return {name: gate[name] for name in ("version", "updated_at") if name in gate}


@pytest.mark.parametrize(
    "gate",
    [
        {"rollout_percentage": -0.1},
        {"rollout_percentage": 100.1},
        {"timezone": "Mars/Olympus"},
        {"active_hours_start": "25:00"},
        {"active_hours_end": "9:00"},
        {"active_hours_end": "12:60"},
        {"schedule_start": FUTURE, "schedule_end": PAST},
        {"schedule_start": PAST, "schedule_end": PAST},
        {"default_arm_id": NOBODY},
        {"rules": [{"key": "a", "operator": "resembles", "value": 1}]},
        {"rules": [{"key": "a", "operator": "eq", "value": 1, "arm_id": NOBODY}]},
        {"rules": [{"key": "", "operator": "eq", "value": 1}]},
    ],
)
def test_a_gate_that_cannot_be_is_unprocessable(client: Client, gate: Json) -> None:
    experiment = new_experiment(client)["id"]
    with refused(422, "VALIDATION_ERROR"):
        client.create_gate(experiment, **gate)
    client.create_gate(experiment)
    for write in (client.put_gate, client.patch_gate):
        with refused(422, "VALIDATION_ERROR"):
            write(experiment, **gate)


def test_an_arm_of_another_pool_is_refused(client: Client) -> None:
    experiment, other = new_experiment(client)["id"], new_pool(client)["arms"][0]["id"]
    with refused(422, "VALIDATION_ERROR"):
        client.create_gate(experiment, default_arm_id=other)


@pytest.mark.parametrize(
    "gate",
    [
        *({name: None} for name in ("enabled", "rollout_percentage", "timezone", "rules")),
        {"rollout_percentage": "50"},
        {"rollout_percentage": True},
        {"enabled": 1},
        {"schedule_start": "tomorrow"},
        {"schedule_start": 1767225600000},
        {"rules": [{"key": "a", "operator": "eq", "value": 1, "arm_name": "nobody"}]},
        {"rules": [{"key": "a", "operator": "eq"}]},
        {"colour": "red"},
    ],
)
def test_http_refuses_what_is_none_of_the_fields(rest: Rest, gate: Json) -> None:
    experiment = gated(rest)["id"]
    for write in (rest.put_gate, rest.patch_gate):
        with refused(422, "VALIDATION_ERROR"):
            write(experiment, **gate)


def test_a_naive_time_is_utc(rest: Rest) -> None:
    gate = gated(
        rest, schedule_start="2020-01-01T00:00:00", schedule_end="2999-01-01T01:00:00+01:00"
    )
    shown = gate["feature_gate"]
    for name, moment in (("schedule_start", PAST), ("schedule_end", FUTURE)):
        assert datetime.fromisoformat(shown[name]) == datetime.fromisoformat(moment)


def test_the_order_of_a_gate(rest: Rest) -> None:
    pool = new_pool(rest)
    experiment = new_experiment(rest, pool_id=pool["id"], feature_gate={})
    b, c = pool["arms"][1]["id"], pool["arms"][2]["id"]
    rules = [
        {"key": "plan", "operator": "eq", "value": "pro", "arm_id": c},
        {"key": "plan", "operator": "in", "value": ["pro", "team"]},
    ]
    everything = {
        "enabled": False,
        "schedule_start": FUTURE,
        "rollout_percentage": 0,
        "default_arm_id": b,
        "rules": rules,
    }
    rest.put_gate(experiment["id"], **everything)
    assert reached(rest, experiment, plan="pro") == ("disabled", None)
    rest.patch_gate(experiment["id"], enabled=True)
    assert reached(rest, experiment, plan="pro") == ("blackout", "b")
    rest.patch_gate(experiment["id"], schedule_start=None)
    assert reached(rest, experiment, plan="pro") == ("rollout", "b")
    rest.patch_gate(experiment["id"], rollout_percentage=100)
    assert reached(rest, experiment, plan="pro") == ("rule", "c")
    assert reached(rest, experiment, plan="team") == ("rule", "b")
    assert reached(rest, experiment, plan="free") == ("bandit", None)
    rest.patch_gate(experiment["id"], default_arm_id=None)
    assert reached(rest, experiment, plan="team") == ("rule", None)
    assert reached(rest, experiment, plan="pro") == ("rule", "c")
    rest.patch_gate(experiment["id"], rollout_percentage=0)
    assert reached(rest, experiment) == ("rollout", "a")
    rest.patch_gate(experiment["id"], schedule_end=PAST)
    assert reached(rest, experiment) == ("blackout", "a")


def test_an_evaluation_tells_everything(rest: Rest) -> None:
    rules = [
        {"key": "plan", "operator": "==", "value": "free"},
        {"key": "plan", "operator": "!=", "value": "free", "arm_name": "c"},
        {"key": "plan", "operator": "contains", "value": "r"},
    ]
    made = gated(rest, rules=rules, rollout_percentage=12)
    said = evaluate(rest, made, "visitor-1", plan="pro")
    judged = [
        (rule["key"], rule["value"], rule["matched"], rule["decisive"])
        for rule in said.pop("rules")
    ]
    assert judged == [
        ("plan", "free", False, False),
        ("plan", "free", True, True),
        ("plan", "r", True, False),
    ]
    assert said == {
        "eligible": False,
        "reason": "rule",
        "enabled": True,
        "in_schedule": True,
        "in_rollout": True,
        "rollout_percentage": 12,
        "arm_id": made["pool"]["arms"][2]["id"],
        "arm_name": "c",
    }
    assert rest.ask("POST", f"{GATES}/{made['id']}/evaluate", {})["reason"] == "rollout"
    with refused(404, "GATE_NOT_FOUND"):
        evaluate(rest, new_experiment(rest))


def test_an_arm_s_id_wins_over_its_name(rest: Rest) -> None:
    made = new_experiment(rest)
    rule = {"key": "a", "operator": "eq", "value": 1, "arm_name": "c"}
    both = {**rule, "arm_id": made["pool"]["arms"][1]["id"]}
    gate = rest.create_gate(made["id"], rules=[rule, both])
    assert [one["arm_name"] for one in gate["rules"]] == ["c", "b"]


@pytest.mark.parametrize(("id", "share"), SHARES.items())
def test_who_is_in_a_rollout(client: Client, id: str, share: int) -> None:
    made = gated(client, rollout_percentage=float(share))
    outside = client.select(made["id"], id)
    assert (outside["arm"]["index"], outside["is_default"]) == (0, True)
    assert outside["request_id"]
    client.patch_gate(made["id"], rollout_percentage=float(share + 1))
    assert client.select(made["id"], id)["is_default"] is False


@pytest.mark.parametrize("id", SHARES)
def test_a_fraction_of_a_percent_is_kept(rest: Rest, id: str) -> None:
    number = int.from_bytes(blake2b(id.encode(), digest_size=8).digest(), "big")
    assert number % 100 == SHARES[id]
    fine = number % 10_000 / 100
    below = fine if fine % 1 else fine + 0.005
    made = gated(rest, rollout_percentage=below)
    assert evaluate(rest, made, id)["in_rollout"] is (fine < below)
    rest.patch_gate(made["id"], rollout_percentage=round(fine + 0.015, 3))
    assert evaluate(rest, made, id)["in_rollout"] is True


# Operator and its other names · value of the rule · metadata that matches · metadata that does not.
OPERATORS: list[tuple[list[str], Any, list[Any], list[Any]]] = [
    (["equals", "==", "eq"], "pro", ["pro"], ["Pro", "", 1, True, None]),
    (["equals", "==", "eq"], 30, [30, 30.0, "30"], [31, "thirty", True]),
    (["equals", "==", "eq"], True, [True], [False, 1, "true"]),
    (["not_equals", "!=", "ne", "neq"], "pro", ["free", "Pro"], ["pro", None]),
    (["greater_than", ">", "gt"], 18, [19, 18.5, "19"], [18, 17, "x", True, None]),
    (["less_than", "<", "lt"], 18, [17, "17.9"], [18, 19, "x", None]),
    (["greater_or_equal", ">=", "gte"], 18, [18, 19, "18"], [17, "x", [19]]),
    (["less_or_equal", "<=", "lte"], 18, [18, 17, "18"], [19, "x", {}]),
    (["greater_than", ">", "gt"], "b", ["c", "ba"], ["a", "b", 3]),
    (["contains"], "ell", ["hello"], ["help", 1, None]),
    (["contains"], "a", [["a", "b"]], [["b"]]),
    (["not_contains"], "ell", ["help"], ["hello", 1, None]),
    (["in"], ["DE", "FR"], ["DE"], ["US", "D", None]),
    (["in"], [1, 2], [1, "2"], [3, True]),
    (["not_in", "nin"], ["DE", "FR"], ["US"], ["DE", None]),
]


@pytest.mark.parametrize(("names", "value", "matching", "others"), OPERATORS)
def test_an_operator_under_all_its_names(
    rest: Rest, names: list[str], value: Any, matching: list[Any], others: list[Any]
) -> None:
    rules = [{"key": "x", "operator": name, "value": value} for name in names]
    made = gated(rest, rules=rules)
    for given, matches in [(v, True) for v in matching] + [(v, False) for v in others]:
        judged = evaluate(rest, made, x=given)["rules"]
        assert [rule["matched"] for rule in judged] == [matches] * len(names), given
    assert [rule["matched"] for rule in evaluate(rest, made, y=1)["rules"]] == [False] * len(names)


def test_metadata_of_a_select_meets_the_rules(client: Client) -> None:
    pool = new_pool(client)
    arm = pool["arms"][2]["id"]
    rule = {"key": "age", "operator": ">=", "value": 18, "arm_id": arm}
    made = new_experiment(client, pool_id=pool["id"], feature_gate={"rules": [rule]})
    forced = client.select(made["id"], metadata={"age": "18"})
    assert (forced["arm"]["id"], forced["is_default"]) == (arm, True)
    for metadata in ({"age": "17"}, {"age": "x"}, {}):
        assert client.select(made["id"], metadata=metadata)["is_default"] is False


def test_a_forced_arm_never_trains(client: Client, rest: Rest) -> None:
    pool = new_pool(client)
    gate = {"rollout_percentage": 0.0, "default_arm_id": pool["arms"][1]["id"]}
    made = new_experiment(client, pool_id=pool["id"], feature_gate=gate)
    url = f"/api/v1/experiments/{made['id']}"
    before = rest.ask("GET", f"{url}/state")
    for n in range(5):
        forced = client.select(made["id"], f"u{n}")
        assert (forced["arm"]["name"], forced["is_default"]) == ("b", True)
        assert client.feedback(forced["request_id"], 1.0)["accepted"] is True
    insight = f"/api/v1/insight/experiment/{made['id']}"
    until(lambda: rest.ask("GET", insight)["total_feedback"] == 5)
    after = rest.ask("GET", f"{url}/state")
    assert after["state"] == before["state"]
    assert after["version"] > before["version"]  # it stands in the ledger


def test_hours_wrap_midnight_and_have_a_timezone(rest: Rest) -> None:
    now = datetime.now(UTC)
    ago, ahead = clock(now - timedelta(hours=1)), clock(now + timedelta(hours=1))
    later = clock(now + timedelta(hours=2))
    made = gated(rest)
    for start, end, zone, inside in (
        (ago, ahead, "UTC", True),  # one of these two wraps, whatever the time
        (ahead, ago, "UTC", False),
        (ahead, later, "UTC", False),
        (later, ahead, "UTC", True),
        (ago, None, "UTC", ago < clock(now)),
        (None, ahead, "UTC", clock(now) < ahead),
        (ahead, later, "Etc/GMT-1", True),
    ):
        rest.put_gate(made["id"], active_hours_start=start, active_hours_end=end, timezone=zone)
        assert evaluate(rest, made)["in_schedule"] is inside, (start, end, zone)


def test_both_ends_of_the_hours_are_in(rest: Rest) -> None:
    made = gated(rest)
    inside = False
    for _ in range(3):
        minute = clock(datetime.now(UTC))
        rest.put_gate(made["id"], active_hours_start=minute, active_hours_end=minute)
        inside = evaluate(rest, made)["in_schedule"]
        if clock(datetime.now(UTC)) == minute:
            break
    assert inside is True
