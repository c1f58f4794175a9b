"""Bodies of the gate routes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from serving.proxy.documents.base import Body, refuse_null
from serving.proxy.gates.operators import OPERATORS, canonical

__all__ = ["EvaluateRequest", "GatePatch", "GateRequest", "RuleRequest", "minutes", "read_time"]

_ANSWERED = frozenset({"experiment_id", "default_arm_name", "updated_at", "version"})

Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


def read_time(text: str) -> datetime:
    """ISO-8601; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no ISO-8601 time such as 2026-05-01T09:00:00Z") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def minutes(clock: str) -> int:
    """``HH:MM`` as minutes of the day."""
    hours, rest = clock.split(":")
    return 60 * int(hours) + int(rest)


class RuleRequest(Body):
    """``metadata[key] operator value`` leads to an arm, or to the default arm."""

    key: Annotated[str, Field(min_length=1, max_length=200)]
    operator: str
    value: Any
    arm_id: str | None = None
    arm_name: str | None = None

    @field_validator("operator")
    @classmethod
    def _known(cls, operator: str) -> str:
        if canonical(operator) is None:
            raise ValueError(f"unknown operator {operator!r}; known: {', '.join(OPERATORS)}")
        return operator


class GateRequest(Body):
    """Body of POST and PUT: what is left out has its default."""

    only_answered = _ANSWERED

    enabled: bool = True
    rollout_percentage: Annotated[float, Field(ge=0, le=100)] = 100.0
    default_arm_id: str | None = None
    schedule_start: str | None = None
    schedule_end: str | None = None
    active_hours_start: Clock | None = None
    active_hours_end: Clock | None = None
    timezone: str = "UTC"
    rules: Annotated[list[RuleRequest], Field(max_length=1000)] = Field(default_factory=list)

    @field_validator("schedule_start", "schedule_end")
    @classmethod
    def _is_time(cls, text: str | None) -> str | None:
        if text is not None:
            read_time(text)
        return text

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"unknown timezone {name!r}; write for example Europe/Paris") from None
        return name

    _not_null = field_validator(
        "enabled", "rollout_percentage", "timezone", "rules", mode="before"
    )(refuse_null)


class GatePatch(GateRequest):
    """Body of PATCH: what is left out stays, null clears what may be empty."""


class EvaluateRequest(Body):
    """Body of ``POST /gates/{id}/evaluate``."""

    context_id: str = ""
    context_metadata: dict[str, Any] = Field(default_factory=dict)
