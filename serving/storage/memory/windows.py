"""`Windows` in memory."""

from __future__ import annotations

from collections.abc import Sequence

from qbrix.ledger import Disposition
from serving.storage.memory.world import World
from serving.storage.records import CommittedBatch, DecisionEvent, StateRecord
from serving.storage.records_windows import Progress, StoredRow, Window
from serving.storage.rows import row_decision, row_event

__all__ = ["MemoryWindows"]


class MemoryWindows:
    """See `serving.storage.base_windows.Windows`."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def windows(self, shard: int) -> list[Window]:
        """See `Windows`."""
        return [
            Window(one.id, self._world.windows.get(one.id))
            for one in self._world.live()
            if one.shard == shard
            and (
                one.default_reward is not None
                or one.aggregation != "first"
                or one.id in self._world.windows
            )
        ]

    async def closing(
        self, experiment: str, *, epoch: int, after: Progress, until_ms: int, limit: int
    ) -> list[DecisionEvent]:
        """See `Windows`."""
        found: dict[Progress, DecisionEvent] = {}
        for event in self._world.decisions.values():
            if event.experiment == experiment and event.source == "policy":
                found.setdefault(Progress(event.decided_ms, event.decision_id), event)
        for stored in self._rows(experiment):
            rows = stored.batch.rows
            for index in range(0 if rows is None else len(rows)):
                assert rows is not None
                if rows.dispositions[index] == Disposition.HELD:
                    event = row_decision(experiment, rows, index)
                    found.setdefault(Progress(event.decided_ms, event.decision_id), event)
        due = sorted(
            (place, event)
            for place, event in found.items()
            if place > after and place.decided_ms <= until_ms and event.epoch == epoch
        )
        return [event for _, event in due[:limit]]

    async def rows_of(self, experiment: str, decision_ids: Sequence[str]) -> list[StoredRow]:
        """See `Windows`."""
        wanted = set(decision_ids)
        return [
            StoredRow(
                row_event(experiment, rows, index),
                int(rows.dispositions[index]),
                stored.batch.version,
            )
            for stored in self._rows(experiment)
            if (rows := stored.batch.rows) is not None
            for index, decision_id in enumerate(rows.decision_ids)
            if decision_id in wanted
        ]

    async def checkpoint(self, experiment: str, *, epoch: int, at_most: int) -> StateRecord | None:
        """See `Windows`."""
        kept = self._world.checkpoints.get(experiment, {})
        found = [one for one in kept.values() if one.epoch == epoch and one.version <= at_most]
        return max(found, key=lambda one: one.version, default=None)

    async def epoch_start(self, experiment: str, epoch: int) -> int:
        """See `Windows`."""
        return min(one.batch.version for one in self._rows(experiment) if one.batch.epoch == epoch)

    def _rows(self, experiment: str) -> Sequence[CommittedBatch]:
        return self._world.batches.get(experiment, [])
