"""How the shards do: who leads, how much waits and for how long, what keeps one from moving on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qbrix.errors import Unavailable
from serving.cortex.times import now_ms
from serving.cortex.worker import ShardWorker
from serving.storage.base import Intake
from serving.telemetry import CortexMetrics
from serving.telemetry.meters import Reading

__all__ = ["ShardVitals", "Vitals"]

_EVERY_S = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardVitals:
    """One shard as this process sees it; who does not lead it knows no lag."""

    shard: int
    leads: bool
    unread: int | None
    behind_s: float | None
    hindrance: str | None


class Vitals:
    """Looks at the streams now and then, so that whoever asks gets an answer at once."""

    def __init__(
        self,
        workers: Sequence[ShardWorker],
        intake: Intake,
        *,
        metrics: CortexMetrics,
        behind_limit_s: float,
    ) -> None:
        self._workers = workers
        self._intake = intake
        self._failing = metrics.failing
        self._behind_limit_s = behind_limit_s
        self._positions: dict[int, str] = {}
        self._lags: dict[int, tuple[int, float]] = {}
        watch = metrics.watch_each
        watch("qbrix_shard_leads", "1 where this process leads", self._leads, "shard")
        watch(
            "qbrix_shard_hindered",
            "1 where something keeps it from moving",
            self._hindered,
            "shard",
        )
        watch("qbrix_stream_unread", "events nobody learned yet", self._unread, "shard")
        watch(
            "qbrix_stream_behind_seconds", "age of the oldest unread event", self._behind, "shard"
        )

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> None:
        """Measure every shard that this process leads."""
        for worker in self._workers:
            if worker.position is not None:
                self._positions[worker.number] = worker.position
            if not worker.leads:
                continue
            try:
                self._lags[worker.number] = await self._measured(worker.number)
            except Unavailable:
                self._lags.pop(worker.number, None)

    @property
    def shards(self) -> list[ShardVitals]:
        """Every shard, as it was at the latest look."""
        return [self._vitals(worker) for worker in self._workers]

    @property
    def healthy(self) -> bool:
        """Whether nothing has hindered a shard for long, and none is too far behind."""
        behind_s = max((one.behind_s or 0.0 for one in self.shards), default=0.0)
        return behind_s <= self._behind_limit_s and all(one.healthy for one in self._workers)

    def facts(self) -> dict[str, Any]:
        """For whoever asks whether this role is ready."""
        return {
            "shards": [asdict(one) for one in self.shards],
            "behind_limit_s": self._behind_limit_s,
            "failing_updates": self._failing.reasons,
        }

    async def _measured(self, shard: int) -> tuple[int, float]:
        unread = await self._intake.backlog(shard)
        position = self._positions.get(shard)
        if not unread or position is None:
            return unread, 0.0
        read = await self._intake.read_feedback(shard, after=position, limit=1, block_ms=0)
        waited_ms = now_ms() - read.events[0].received_ms if read.events else 0
        return unread, max(waited_ms, 0) / 1000

    def _vitals(self, worker: ShardWorker) -> ShardVitals:
        leads = worker.leads
        unread, behind_s = self._lags.get(worker.number, (None, None)) if leads else (None, None)
        return ShardVitals(
            shard=worker.number,
            leads=leads,
            unread=unread,
            behind_s=behind_s,
            hindrance=worker.hindrance,
        )

    def _leads(self) -> Iterator[Reading]:
        return (((one.shard,), float(one.leads)) for one in self.shards)

    def _hindered(self) -> Iterator[Reading]:
        return (((one.shard,), float(one.hindrance is not None)) for one in self.shards)

    def _unread(self) -> Iterator[Reading]:
        return (((one.shard,), one.unread) for one in self.shards if one.unread is not None)

    def _behind(self) -> Iterator[Reading]:
        return (((one.shard,), one.behind_s) for one in self.shards if one.behind_s is not None)
