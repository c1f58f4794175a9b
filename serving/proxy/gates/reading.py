"""From a gate as a caller writes it to a gate over the arms of a pool."""

from __future__ import annotations

import time

import msgspec

from qbrix.errors import InvalidRequest
from serving.proxy.gates.bodies import GatePatch, GateRequest, minutes, read_time
from serving.proxy.gates.operators import canonical
from serving.storage.base import GateRecord, PoolRecord, RuleRecord

__all__ = ["gate_of", "patched_gate"]

_STORED_AS = {
    "schedule_start": "schedule_start_ms",
    "schedule_end": "schedule_end_ms",
    "active_hours_start": "active_from_min",
    "active_hours_end": "active_to_min",
}


def gate_of(body: GateRequest, pool: PoolRecord, *, version: int) -> GateRecord:
    """The gate that a body describes, over the arms of a pool; raises InvalidRequest."""
    return _checked(_read(body, pool, version=version))


def patched_gate(gate: GateRecord, body: GatePatch, pool: PoolRecord) -> GateRecord:
    """The gate in which what ``body`` was given takes the place of what was there."""
    given = _read(body, pool, version=gate.version + 1)
    names = [_STORED_AS.get(name, name) for name in body.model_fields_set]
    changes = {name: getattr(given, name) for name in names}
    return _checked(
        msgspec.structs.replace(gate, version=given.version, updated_ms=given.updated_ms, **changes)
    )


def _read(body: GateRequest, pool: PoolRecord, *, version: int) -> GateRecord:
    return GateRecord(
        version=version,
        updated_ms=time.time_ns() // 1_000_000,
        enabled=body.enabled,
        rollout_percentage=float(body.rollout_percentage),
        default_arm_id=_arm(pool, body.default_arm_id, what="default_arm_id"),
        schedule_start_ms=_ms(body.schedule_start),
        schedule_end_ms=_ms(body.schedule_end),
        active_from_min=None
        if body.active_hours_start is None
        else minutes(body.active_hours_start),
        active_to_min=None if body.active_hours_end is None else minutes(body.active_hours_end),
        timezone=body.timezone,
        rules=tuple(
            RuleRecord(
                key=rule.key,
                operator=canonical(rule.operator) or rule.operator,
                value=rule.value,
                arm_id=_rule_arm(pool, rule.arm_id, rule.arm_name, at=index),
            )
            for index, rule in enumerate(body.rules)
        ),
    )


def _checked(gate: GateRecord) -> GateRecord:
    start, end = gate.schedule_start_ms, gate.schedule_end_ms
    if start is not None and end is not None and start >= end:
        raise InvalidRequest("schedule_start must be before schedule_end")
    return gate


def _arm(pool: PoolRecord, arm_id: str | None, *, what: str) -> str | None:
    if arm_id is not None and all(arm.id != arm_id for arm in pool.arms):
        raise InvalidRequest(f"{what} = {arm_id!r} is no arm of the experiment's pool")
    return arm_id


def _rule_arm(pool: PoolRecord, arm_id: str | None, name: str | None, *, at: int) -> str | None:
    if arm_id is not None:
        return _arm(pool, arm_id, what=f"rules[{at}].arm_id")
    if name is None:
        return None
    found = next((arm.id for arm in pool.arms if arm.name == name), None)
    if found is None:
        raise InvalidRequest(f"rules[{at}].arm_name = {name!r} is no arm of the experiment's pool")
    return found


def _ms(text: str | None) -> int | None:
    return None if text is None else round(read_time(text).timestamp() * 1000)
