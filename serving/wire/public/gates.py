"""Messages about gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from qbrix.errors import InvalidRequest
from serving.wire.gen import proxy_pb2
from serving.wire.public.values import as_text, check_number, parse, read_text

__all__ = [
    "gate",
    "read_create_gate",
    "read_gate",
    "read_gate_id",
    "read_update_gate",
    "write_deleted_gate",
    "write_gate",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

# Names in an update mask → fields of the body. The messages' own groups stand for their parts.
_GROUPS = {
    "schedule": ("schedule_start", "schedule_end"),
    "active_hours": ("active_hours_start", "active_hours_end"),
}


def read_create_gate(data: bytes) -> tuple[str, dict[str, Any]]:
    """Experiment id and body."""
    request = parse(proxy_pb2.CreateGateConfigRequest, data)
    if not request.HasField("config"):
        raise InvalidRequest("config is missing; an empty one is a gate that is switched off")
    return request.experiment_id, read_gate(request.config)


def read_update_gate(data: bytes) -> tuple[str, dict[str, Any], bool]:
    """Experiment id, body, and whether it is a part of a gate (PATCH) or a whole one (PUT)."""
    request = parse(proxy_pb2.UpdateGateConfigRequest, data)
    if not request.update_mask:
        if not request.HasField("config"):
            raise InvalidRequest("config is missing, and so is an update_mask; send one of them")
        return request.experiment_id, read_gate(request.config), False
    body = read_gate(request.config)
    named = {name for word in request.update_mask for name in _GROUPS.get(word, (word,))}
    if unknown := sorted(named - set(body)):
        raise InvalidRequest(
            f"update_mask names {', '.join(map(repr, unknown))}; known: {', '.join(body)}"
        )
    return request.experiment_id, {name: body[name] for name in body if name in named}, True


def read_gate_id(data: bytes) -> str:
    """The experiment of a request that says nothing else: get, delete."""
    return parse(proxy_pb2.GetGateConfigRequest, data).experiment_id


def read_gate(config: proxy_pb2.FeatureGateConfig) -> dict[str, Any]:
    """The whole body; what is empty is null, and an empty timezone is UTC."""
    schedule, hours = config.schedule, config.active_hours
    percentage = check_number(config.rollout_percentage, name="rollout_percentage")
    has_start = schedule.HasField("start_timestamp_ms")
    has_end = schedule.HasField("end_timestamp_ms")
    return {
        "enabled": config.enabled,
        "rollout_percentage": percentage,
        "default_arm_id": config.default_arm_id or None,
        "schedule_start": _moment(schedule.start_timestamp_ms) if has_start else None,
        "schedule_end": _moment(schedule.end_timestamp_ms) if has_end else None,
        "active_hours_start": hours.start or None,
        "active_hours_end": hours.end or None,
        "timezone": config.timezone or "UTC",
        "rules": [
            {
                "key": rule.key,
                "operator": rule.operator,
                "value": read_text(rule.value),
                "arm_id": rule.arm_id or None,
            }
            for rule in config.rules
        ],
    }


def write_gate(view: Mapping[str, Any]) -> bytes:
    """The answer of create, get and update: one form for the three."""
    return proxy_pb2.GetGateConfigResponse(config=gate(view)).SerializeToString()


def write_deleted_gate() -> bytes:
    """DeleteGateConfigResponse."""
    return proxy_pb2.DeleteGateConfigResponse(deleted=True).SerializeToString()


def gate(view: Mapping[str, Any]) -> proxy_pb2.FeatureGateConfig:
    """A gate as REST shows it."""
    config = proxy_pb2.FeatureGateConfig(
        enabled=view["enabled"],
        rollout_percentage=view["rollout_percentage"],
        default_arm_id=view["default_arm_id"] or "",
        timezone=view["timezone"],
        rules=_rules(view["rules"]),
    )
    start, end = _ms(view["schedule_start"]), _ms(view["schedule_end"])
    if start is not None or end is not None:
        times = proxy_pb2.ScheduleConfig(start_timestamp_ms=start, end_timestamp_ms=end)
        config.schedule.CopyFrom(times)
    opens, closes = view["active_hours_start"], view["active_hours_end"]
    if opens is not None or closes is not None:
        config.active_hours.CopyFrom(proxy_pb2.ActiveHoursConfig(start=opens, end=closes))
    return config


def _rules(views: Sequence[Mapping[str, Any]]) -> list[proxy_pb2.RuleConfig]:
    return [
        proxy_pb2.RuleConfig(
            key=rule["key"],
            operator=rule["operator"],
            value=as_text(rule["value"]),
            arm_id=rule["arm_id"] or "",
        )
        for rule in views
    ]


def _moment(at_ms: int) -> str:
    try:
        return (_EPOCH + at_ms * _MS).isoformat()
    except OverflowError:
        raise InvalidRequest(f"a schedule at {at_ms} ms is beyond the years 1 to 9999") from None


def _ms(moment: str | None) -> int | None:
    return None if moment is None else (datetime.fromisoformat(moment) - _EPOCH) // _MS
