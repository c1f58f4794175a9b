"""A gate at work: in order and without a store, who goes to the bandit and who gets which arm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Literal
from zoneinfo import ZoneInfo

from serving.proxy.gates.operators import matches
from serving.storage.base import ArmRecord, GateRecord, PoolRecord, RuleRecord

__all__ = ["CompiledGate", "Passage", "control_arm", "rollout_share"]

Reason = Literal["disabled", "blackout", "rollout", "rule", "bandit"]


@dataclass(frozen=True, slots=True)
class Passage:
    """Where a context goes: to the bandit (``arm`` is None) or to an arm, and why.

    ``matched`` has an entry per rule; ``decisive`` is the rule that settled the matter, if one did.
    """

    reason: Reason
    arm: int | None
    in_schedule: bool
    in_rollout: bool
    matched: tuple[bool, ...]
    decisive: int | None


class CompiledGate:
    """A gate over the arms of its pool; answers from memory alone.

    ``control`` is who gets no other arm: the default arm, else the first one that is not retired.
    """

    def __init__(self, record: GateRecord, pool: PoolRecord) -> None:
        self.record = record
        self._arms = {arm.id: arm for arm in pool.arms}
        self._zone = ZoneInfo(record.timezone)
        self.default: ArmRecord | None = self._arms.get(record.default_arm_id or "")
        self._first = control_arm(pool)
        self.control = self._first if self.default is None else self._index(self.default)

    def forced(self, context_id: str, metadata: Mapping[str, Any], *, now_ms: int) -> int | None:
        """Index of the arm that the context gets, None when the bandit decides."""
        return self.passage(context_id, metadata, now_ms=now_ms).arm

    def passage(self, context_id: str, metadata: Mapping[str, Any], *, now_ms: int) -> Passage:
        """The whole evaluation."""
        record = self.record
        in_schedule = self._in_schedule(now_ms)
        share = rollout_share(context_id, record.rollout_percentage)
        in_rollout = share < record.rollout_percentage
        matched = [matches(r.operator, metadata.get(r.key), r.value) for r in record.rules]
        decisive: int | None = None
        reason: Reason
        if not record.enabled:
            reason, arm = "disabled", None
        elif not in_schedule:
            reason, arm = "blackout", self.control
        elif not in_rollout:
            reason, arm = "rollout", self.control
        elif True in matched:
            decisive = matched.index(True)
            reason, arm = "rule", self._of_rule(record.rules[decisive])
        else:
            reason, arm = "bandit", None
        return Passage(reason, arm, in_schedule, in_rollout, tuple(matched), decisive)

    def _of_rule(self, rule: RuleRecord) -> int | None:
        """Its arm or the default arm; without either it admits to the bandit."""
        own = self._arms.get(rule.arm_id or "", self.default)
        return None if own is None else self._index(own)

    def _in_schedule(self, now_ms: int) -> bool:
        record = self.record
        if record.schedule_start_ms is not None and now_ms < record.schedule_start_ms:
            return False
        if record.schedule_end_ms is not None and now_ms > record.schedule_end_ms:
            return False
        if record.active_from_min is None and record.active_to_min is None:
            return True
        local = datetime.fromtimestamp(now_ms / 1000, tz=UTC).astimezone(self._zone)
        minute = 60 * local.hour + local.minute
        first = record.active_from_min or 0
        last = 24 * 60 - 1 if record.active_to_min is None else record.active_to_min
        if first <= last:
            return first <= minute <= last
        return minute >= first or minute <= last

    def _index(self, arm: ArmRecord) -> int:
        """Its index; a retired arm gives way to the first one that is not."""
        return arm.index if arm.is_active else self._first


def rollout_share(context_id: str, percentage: float) -> float:
    """Where a context stands in [0, 100): in whole percents, or hundredths when they are asked."""
    digest = int.from_bytes(blake2b(context_id.encode(), digest_size=8).digest(), "big")
    return digest % 100 if float(percentage).is_integer() else digest % 10_000 / 100


def control_arm(pool: PoolRecord) -> int:
    """The first arm that is not retired."""
    return next((arm.index for arm in pool.arms if arm.is_active), 0)
