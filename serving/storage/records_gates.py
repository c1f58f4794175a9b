"""A gate: who is kept from the bandit, and which arm they get instead."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["GateRecord", "RuleRecord"]


class RuleRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison with the context's metadata; without an arm it leads to the default arm."""

    key: str
    operator: str
    value: Any
    arm_id: str | None = None


class GateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate asks, in order; times are Unix milliseconds, hours are minutes of the day."""

    version: int
    updated_ms: int
    enabled: bool = True
    rollout_percentage: float = 100.0
    default_arm_id: str | None = None
    schedule_start_ms: int | None = None
    schedule_end_ms: int | None = None
    active_from_min: int | None = None
    active_to_min: int | None = None
    timezone: str = "UTC"
    rules: tuple[RuleRecord, ...] = ()
