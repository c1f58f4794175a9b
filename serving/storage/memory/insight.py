"""Insight over a world in memory: every question walks through everything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from serving.storage.base_insight import RewardSum, SelectionSum, Span
from serving.storage.memory.world import World
from serving.storage.records import DecisionEvent
from serving.storage.records_windows import SENT

__all__ = ["MemoryInsight"]


class MemoryInsight:
    """See `serving.storage.base_insight.Insight`."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def selections(
        self, experiment: str, *, span: Span, interval_ms: int | None
    ) -> list[SelectionSum]:
        """See `Insight`."""
        groups: defaultdict[tuple[int, int], list[DecisionEvent]] = defaultdict(list)
        for event in self._decisions(experiment, span):
            groups[_interval(event.decided_ms, interval_ms), event.arm].append(event)
        return [
            SelectionSum(
                start_ms,
                arm,
                len(events),
                sum(event.source != "policy" for event in events),
                min(event.decided_ms for event in events),
                max(event.decided_ms for event in events),
            )
            for (start_ms, arm), events in sorted(groups.items())
        ]

    async def rewards(
        self, experiment: str, *, span: Span, interval_ms: int | None
    ) -> list[RewardSum]:
        """See `Insight`."""
        groups: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
        for committed in self._world.batches.get(experiment, ()):
            rows = committed.batch.rows
            if rows is None:
                continue
            rows = rows.where(np.isin(rows.dispositions, list(SENT)))
            columns = (rows.received_ms.tolist(), rows.arms.tolist(), rows.rewards.tolist())
            for at_ms, arm, reward in zip(*columns, strict=True):
                if span.holds(at_ms):
                    groups[_interval(at_ms, interval_ms), arm].append(reward)
        return [
            RewardSum(start_ms, arm, len(paid), sum(paid), min(paid), max(paid))
            for (start_ms, arm), paid in sorted(groups.items())
        ]

    async def contexts(self, experiment: str, *, span: Span) -> int:
        """See `Insight`."""
        events = self._decisions(experiment, span)
        return len({event.context_id for event in events if event.proxy})

    def _decisions(self, experiment: str, span: Span) -> Iterator[DecisionEvent]:
        for event in self._world.decisions.values():
            if event.experiment == experiment and span.holds(event.decided_ms):
                yield event


def _interval(at_ms: int, interval_ms: int | None) -> int:
    return 0 if interval_ms is None else at_ms - at_ms % interval_ms
