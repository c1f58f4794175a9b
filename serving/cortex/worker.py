"""One shard's life: hold the lease, learn while there is something, wait, publish; and again."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from typing import Any

import structlog

from qbrix.errors import Conflict, Unavailable
from serving.cortex.lease import Lease
from serving.cortex.publisher import Publisher
from serving.cortex.shard import Shard
from serving.cortex.times import Timing
from serving.loading import PolicyLoader
from serving.storage.base import Stores
from serving.telemetry import CortexMetrics

__all__ = ["ShardWorker"]

_log = structlog.get_logger("cortex")

_BLOCK_MS = 500
_APART_S = 0.1  # from step to step, unless a portion was full
_WITHOUT_LEASE_S = 0.1
_CONTROL_CHECK_S = 1.0
_BACKOFF_S = (0.05, 2.0)
_PATIENCE_S = 10.0


class ShardWorker:
    """Learns everything that concerns one shard, while it holds the shard's lease."""

    def __init__(
        self,
        stores: Stores,
        loader: PolicyLoader,
        lease: Lease,
        *,
        shard: int,
        metrics: CortexMetrics,
        timing: Timing,
    ) -> None:
        self._intake = stores.intake
        self._number = shard
        self._metrics = metrics
        self._lease = lease
        self._publisher = Publisher(stores.channel, metrics=metrics)
        self._shard = Shard(
            stores, loader, self._publisher, number=shard, metrics=metrics, timing=timing
        )
        self._busy = asyncio.Lock()
        self._wake = asyncio.Event()
        self._checked_s = -math.inf
        self._worked_s = time.monotonic()
        self._refusal: str | None = None
        self._stopping = False

    @property
    def leads(self) -> bool:
        """Whether this process may write the shard now."""
        return self._lease.term is not None

    @property
    def healthy(self) -> bool:
        """Whether the stores answered lately, and nothing keeps the shard from moving on."""
        return self._lease.known and time.monotonic() - self._worked_s < _PATIENCE_S

    @property
    def number(self) -> int:
        """The shard."""
        return self._number

    @property
    def position(self) -> str | None:
        """Up to where feedback was learned; None while nobody here leads."""
        return self._shard.position

    @property
    def hindrance(self) -> str | None:
        """What keeps the shard from moving on; None when nothing does, or somebody else leads."""
        if not self._lease.known:
            return "the ledger does not say who leads"
        idle_s = time.monotonic() - self._worked_s
        if self._refusal is None and idle_s >= _PATIENCE_S:
            return f"a step has been under way for {idle_s:.0f} s"
        return self._refusal

    def wake(self) -> None:
        """A control change may be waiting."""
        self._checked_s = -math.inf
        self._wake.set()

    async def run(self) -> None:
        """Until `stop`: lead, learn, publish; waits out stores that are away."""
        async with asyncio.TaskGroup() as group:
            helpers = [
                group.create_task(self._lease.keep()),
                group.create_task(self._publisher.run()),
            ]
            await self._lead()
            for helper in helpers:
                helper.cancel()
        with suppress(Unavailable):
            await self._publisher.flush()
            await self._lease.release()

    def stop(self) -> None:
        """Let `run` finish the step under way, publish, give the lease back and return."""
        self._stopping = True
        self._wake.set()

    async def drain(self) -> None:
        """Until streams and controls are empty and everything is published."""
        async with self._busy:
            while True:
                term = self._lease.term or await self._lease.renew()
                if term is None:
                    await asyncio.sleep(0.02)
                elif not await self._shard.round(term, controls=True):
                    break
            await self._publisher.flush()

    async def _lead(self) -> None:
        pause_s = _BACKOFF_S[0]
        while not self._stopping:
            began_s = time.monotonic()
            try:
                async with self._busy:
                    worked = await self._round(controls=self._controls_due())
            except (Conflict, Unavailable) as error:
                _log.warning("round_refused", shard=self._number, error=str(error))
                self._refusal = str(error)
                self._metrics.rounds_refused.add()
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _BACKOFF_S[1])
                continue
            pause_s = _BACKOFF_S[0]
            self._refusal = None
            self._worked_s = time.monotonic()
            if worked and self._shard.hurries:
                continue
            if worked:
                await self._gather(began_s)
            await self._idle()

    async def _round(self, *, controls: bool) -> bool:
        term = self._lease.term
        if term is None:
            self._shard.forget()
            return False
        return await self._shard.round(term, controls=controls)

    def _controls_due(self) -> bool:
        now_s = time.monotonic()
        due = now_s - self._checked_s >= _CONTROL_CHECK_S
        if due:
            self._checked_s = now_s
        return due

    async def _gather(self, began_s: float) -> None:
        """Let events come together: each step costs stores and processors the same, full or not."""
        rest_s = began_s + _APART_S - time.monotonic()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout=max(rest_s, 0.0))

    async def _idle(self) -> None:
        """Until feedback or a call arrives, or a moment has passed."""
        position = self._shard.position
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(self._wake.wait())]
        if position is not None:
            waits.append(asyncio.create_task(self._wait_for_feedback(position)))
        timeout = _WITHOUT_LEASE_S if position is None else None
        try:
            await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._wake.clear()

    async def _wait_for_feedback(self, position: str) -> None:
        with suppress(Unavailable):
            await self._intake.read_feedback(
                self._number, after=position, limit=1, block_ms=_BLOCK_MS
            )
