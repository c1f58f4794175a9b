"""The decision log on its way to the archive: numbered, buffered, best effort."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from itertools import islice

import structlog

from qbrix.errors import Unavailable
from serving.proxy.experiments.records import ExperimentView
from serving.sampling import is_kept
from serving.settings import ProxySettings
from serving.storage.base import DecisionEvent, Intake
from serving.telemetry import ProxyMetrics
from serving.wire.selection import Outcome, Query

__all__ = ["DecisionLog"]

_log = structlog.get_logger("proxy")

_TOGETHER = 1000
_PAUSE_S = 0.05
_RETRY_S = 1.0


class _Outbox:
    """What waits for one shard's stream, numbered in the order in which it gets there."""

    __slots__ = ("number", "proxy", "waiting")

    def __init__(self, proxy: str) -> None:
        self.proxy = proxy
        self.number = 0
        self.waiting: deque[DecisionEvent] = deque()


class DecisionLog:
    """Decisions by shard; what does not fit the buffer is dropped, counted, and seen as a gap.

    What is not sampled has no number, so that a gap is always a loss.
    """

    def __init__(self, settings: ProxySettings, intake: Intake, metrics: ProxyMetrics) -> None:
        self.proxy = secrets.token_hex(16)
        self._limit = settings.decision_buffer
        self._sampling = settings.decision_sampling
        self._intake = intake
        self._metrics = metrics
        self._outboxes: dict[int, _Outbox] = {}
        self._size = 0
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return self._size

    def add(
        self,
        view: ExperimentView,
        query: Query,
        outcome: Outcome,
        *,
        source: str,
        context_id: str,
        now_ms: int,
    ) -> None:
        """Number the decision and keep it until the next write; never waits."""
        # A decision that the log left out could not get the default of its experiment.
        sampling = self._sampling if view.record.default_reward is None else 1.0
        if sampling < 1.0 and not is_kept(query.decision_id, sampling=sampling):
            return
        shard = view.record.shard
        outbox = self._outboxes.get(shard)
        if outbox is None:
            outbox = self._outboxes[shard] = _Outbox(f"{self.proxy}.{shard}")
        outbox.number += 1
        if self._size >= self._limit:
            self._metrics.dropped.add()
            return
        outbox.waiting.append(
            DecisionEvent(
                outbox.proxy,
                outbox.number,
                query.experiment,
                context_id,
                outcome.epoch,
                query.decision_id,
                outcome.arm,
                outcome.u,
                outcome.low,
                outcome.propensity,
                outcome.version,
                source,
                query.context,
                now_ms,
                sampling,
                outcome.recorded,
            )
        )
        self._size += 1
        if not self._wake.is_set():
            self._wake.set()

    async def run(self) -> None:
        """Write for ever, a moment after the first decision of a group came."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(_PAUSE_S)
            if not await self.flush():
                await asyncio.sleep(_RETRY_S)

    async def flush(self) -> bool:
        """Write what waits; False when the store is away and something still waits."""
        self._wake.clear()
        try:
            for shard, outbox in list(self._outboxes.items()):
                while outbox.waiting:
                    await self._write(shard, outbox.waiting)
        except Unavailable as error:
            _log.warning("decisions_wait", waiting=self._size, error=str(error))
            self._wake.set()
            return False
        return True

    async def _write(self, shard: int, waiting: deque[DecisionEvent]) -> None:
        group = list(islice(waiting, _TOGETHER))
        await self._intake.append_decisions(shard, group)
        for _ in group:
            waiting.popleft()
        self._size -= len(group)
