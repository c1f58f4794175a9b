"""Gates without a server: who goes where, worked by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest

from serving.proxy.gates.operators import OPERATORS, canonical, matches
from serving.proxy.gates.passage import CompiledGate, rollout_share
from serving.storage.base import ArmRecord, GateRecord, PoolRecord, RuleRecord

POOL = PoolRecord(
    id="p",
    tenant="t",
    name="pool",
    arms=tuple(ArmRecord(id=name, name=name, index=k) for k, name in enumerate("abc")),
    created_ms=0,
    updated_ms=0,
)
GATE = GateRecord(version=1, updated_ms=0)
replace = msgspec.structs.replace


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def passage(gate: GateRecord, context: str = "user-1", *, now: str = "", **metadata: Any) -> Any:
    now_ms = at(now) if now else 0
    found = CompiledGate(gate, POOL).passage(context, metadata, now_ms=now_ms)
    return found.reason, found.arm


@pytest.mark.parametrize(
    ("context", "share"),
    [
        ("visitor-1", 11),
        ("visitor-2", 44),
        ("visitor-42", 22),
        ("user-1", 68),
        ("user-42", 98),
        ("", 76),
    ],
)
def test_rollout_shares_are_those_of_the_contract(context: str, share: int) -> None:
    assert rollout_share(context, 50.0) == share
    assert (
        rollout_share(context, share) < share,
        rollout_share(context, share + 1) < share + 1,
    ) == (
        False,
        True,
    )


def test_a_fraction_of_a_percent_counts() -> None:
    shares = [rollout_share(f"user-{n}", 12.25) for n in range(20_000)]
    admitted = sum(share < 12.25 for share in shares) / len(shares)
    # 5 standard errors of a fair share of 12.25 %: a false alarm in 1.7 million hash functions.
    assert abs(admitted - 0.1225) < 5 * (0.1225 * 0.8775 / len(shares)) ** 0.5
    assert any(share != int(share) for share in shares)


def test_the_order_is_disabled_blackout_rollout_rule_bandit() -> None:
    rule = RuleRecord(key="plan", operator="equals", value="pro", arm_id="c")
    gate = replace(
        GATE,
        default_arm_id="b",
        rollout_percentage=68.0,
        schedule_start_ms=at("2026-05-01T00:00:00+00:00"),
        rules=(rule,),
    )
    before, after = "2026-04-30T23:59:59+00:00", "2026-05-01T00:00:00+00:00"
    assert passage(replace(gate, enabled=False), now=before, plan="pro") == ("disabled", None)
    assert passage(gate, "visitor-1", now=before, plan="pro") == ("blackout", 1)
    assert passage(gate, "user-1", now=after, plan="pro") == ("rollout", 1)
    assert passage(gate, "visitor-1", now=after, plan="pro") == ("rule", 2)
    assert passage(gate, "visitor-1", now=after, plan="free") == ("bandit", None)


def test_without_a_default_arm_the_control_arm_is_forced_and_a_bare_rule_admits() -> None:
    rule = RuleRecord(key="beta", operator="equals", value=True)
    assert passage(replace(GATE, rollout_percentage=0.0)) == ("rollout", 0)
    assert passage(replace(GATE, rules=(rule,)), beta=True) == ("rule", None)
    assert passage(replace(GATE, rules=(rule,), default_arm_id="c"), beta=True) == ("rule", 2)


def test_the_first_rule_that_matches_decides() -> None:
    rules = (
        RuleRecord(key="a", operator="greater_than", value=1, arm_id="a"),
        RuleRecord(key="a", operator="greater_than", value=0, arm_id="b"),
        RuleRecord(key="a", operator="less_than", value=9, arm_id="c"),
    )
    found = CompiledGate(replace(GATE, rules=rules), POOL).passage("x", {"a": 1}, now_ms=0)
    assert (found.matched, found.decisive, found.arm) == ((False, True, True), 1, 1)


def test_a_retired_arm_is_never_forced() -> None:
    retired = replace(POOL, arms=(replace(POOL.arms[0], is_active=False), *POOL.arms[1:]))
    closed = CompiledGate(replace(GATE, rollout_percentage=0.0, default_arm_id="a"), retired)
    assert closed.forced("x", {}, now_ms=0) == 1


@pytest.mark.parametrize(
    ("first", "last", "zone", "now", "inside"),
    [
        (540, 1020, "UTC", "2026-05-01T08:59:59+00:00", False),
        (540, 1020, "UTC", "2026-05-01T09:00:00+00:00", True),
        (540, 1020, "UTC", "2026-05-01T17:00:59+00:00", True),
        (540, 1020, "UTC", "2026-05-01T17:01:00+00:00", False),
        (1320, 360, "UTC", "2026-05-01T23:00:00+00:00", True),
        (1320, 360, "UTC", "2026-05-01T05:00:00+00:00", True),
        (1320, 360, "UTC", "2026-05-01T12:00:00+00:00", False),
        (540, 1020, "Asia/Tokyo", "2026-05-01T00:30:00+00:00", True),  # 09:30 in Tokyo
        (540, None, "UTC", "2026-05-01T23:59:00+00:00", True),
        (None, 540, "UTC", "2026-05-01T09:01:00+00:00", False),
    ],
)
def test_active_hours_hold_both_ends_and_wrap_midnight(
    first: int | None, last: int | None, zone: str, now: str, inside: bool
) -> None:
    gate = replace(GATE, active_from_min=first, active_to_min=last, timezone=zone)
    assert (passage(gate, now=now)[0] == "bandit") is inside


def test_a_schedule_holds_both_ends() -> None:
    start, end = "2026-05-01T00:00:00+00:00", "2026-05-02T00:00:00+00:00"
    gate = replace(GATE, schedule_start_ms=at(start), schedule_end_ms=at(end))
    assert passage(gate, now=start)[0] == passage(gate, now=end)[0] == "bandit"
    assert passage(gate, now="2026-05-02T00:00:00.001+00:00")[0] == "blackout"


@pytest.mark.parametrize(
    ("operator", "value", "wanted", "holds"),
    [
        ("equals", "a", "a", True),
        ("equals", 5, "5", True),
        ("equals", "5.0", 5, True),
        ("equals", True, 1, False),
        ("equals", True, True, True),
        ("equals", [1], [1], True),
        ("not_equals", "a", "b", True),
        ("not_equals", None, "b", False),
        ("greater_than", "10", 9, True),
        ("greater_than", 9, "10", False),
        ("greater_than", "b", "a", True),
        ("greater_than", "nan", 0, False),
        ("greater_than", "b", 1, False),
        ("greater_than", True, False, False),
        ("greater_than", [2], [1], False),
        ("less_or_equal", 1, 1.0, True),
        ("greater_or_equal", 10**400, 1, False),
        ("contains", "abcd", "bc", True),
        ("contains", ["x", 5], "5", True),
        ("contains", "abc", 1, False),
        ("contains", 5, 5, False),
        ("not_contains", "abc", "x", True),
        ("not_contains", 5, "x", False),
        ("in", "b", ["a", "b"], True),
        ("in", 5, ["5"], True),
        ("in", "b", "abc", False),
        ("not_in", "c", ["a", "b"], True),
        ("not_in", "c", "ab", False),
        ("not_in", None, ["a"], False),
    ],
)
def test_what_cannot_be_compared_matches_nothing(
    operator: str, value: Any, wanted: Any, holds: bool
) -> None:
    assert matches(operator, value, wanted) is holds


def test_every_operator_has_its_aliases() -> None:
    aliases = {
        "==": "equals",
        "eq": "equals",
        "!=": "not_equals",
        "ne": "not_equals",
        "neq": "not_equals",
        ">": "greater_than",
        "gt": "greater_than",
        "<": "less_than",
        "lt": "less_than",
        ">=": "greater_or_equal",
        "gte": "greater_or_equal",
        "<=": "less_or_equal",
        "lte": "less_or_equal",
        "nin": "not_in",
    }
    assert {name: canonical(name) for name in aliases} == aliases
    assert all(canonical(name) == name for name in OPERATORS)
    assert canonical("like") is None
