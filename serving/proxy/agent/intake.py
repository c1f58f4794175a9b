"""Feedback on its way to disk: whatever waits for a shard goes there together."""

from __future__ import annotations

import asyncio
from collections import deque

import structlog

from qbrix.errors import Unavailable
from serving.failpoints import failpoint
from serving.settings import ProxySettings
from serving.storage.base import FeedbackEvent, Intake
from serving.telemetry import ProxyMetrics

__all__ = ["FeedbackIntake", "suffices"]

_log = structlog.get_logger("proxy")

_WORTH = {"evicting": 0, "memory": 1, "everysec": 2, "always": 3}
_TOGETHER = 512

Waiting = tuple[FeedbackEvent, "asyncio.Future[None]"]


class FeedbackIntake:
    """Group commit per shard; an event is acknowledged when its group is on disk, never before."""

    def __init__(
        self, settings: ProxySettings, intake: Intake, metrics: ProxyMetrics, *, shards: int
    ) -> None:
        self._settings = settings
        self._shards = shards
        self._intake = intake
        self._metrics = metrics
        self._waiting: dict[int, deque[Waiting]] = {}
        self._writers: dict[int, asyncio.Task[None]] = {}
        self._refusal: str | None = "the durability of the feedback store is not known yet"
        self._full: set[int] = set()

    async def check(self) -> None:
        """Ask the store what its acknowledgement is worth and how much lies unread."""
        demanded = self._settings.durability
        try:
            offered = await self._intake.durability()
            full = {
                shard
                for shard in range(self._shards)
                if await self._intake.backlog(shard) > self._settings.backlog_limit
            }
        except Unavailable as error:
            _log.warning("durability_unknown", error=str(error))
            return
        self._full = full
        if suffices(offered, demanded=demanded):
            self._refusal = None
            return
        self._refusal = (
            f"the feedback store offers durability {offered!r}, {demanded!r} is demanded; "
            "set appendfsync always and noeviction, or accept less with PROXY_DURABILITY"
        )
        _log.error("not_durable", offered=offered, demanded=demanded)

    @property
    def refusal(self) -> str | None:
        """Why feedback cannot be accepted at all, or None."""
        return self._refusal

    async def append(self, shard: int, event: FeedbackEvent) -> None:
        """On disk on return; raises Unavailable otherwise (it may be there all the same)."""
        if self._refusal is not None:
            raise Unavailable(self._refusal, retry_after_s=self._settings.durability_check_s)
        waiting = self._waiting.setdefault(shard, deque())
        if shard in self._full or len(waiting) >= self._settings.intake_limit:
            raise Unavailable("too much feedback waits to be learned; send it again later")
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append((event, acknowledged))
        if shard not in self._writers:
            self._writers[shard] = asyncio.create_task(self._write(shard, waiting))
        await acknowledged

    async def drain(self) -> None:
        """Return when nothing waits any more."""
        while self._writers:
            await asyncio.wait(set(self._writers.values()))

    async def _write(self, shard: int, waiting: deque[Waiting]) -> None:
        try:
            while waiting:
                group = [waiting.popleft() for _ in range(min(len(waiting), _TOGETHER))]
                failpoint("intake.before_write")
                failure = await self._append(shard, [event for event, _ in group])
                failpoint("intake.after_write")
                _acknowledge(group, failure)
        finally:
            del self._writers[shard]

    async def _append(self, shard: int, events: list[FeedbackEvent]) -> BaseException | None:
        """Write one group; what prevented it, so that everybody who waits can be told."""
        self._metrics.intake_group.observe(len(events))
        writing = asyncio.create_task(self._intake.append_feedback(shard, events))
        await asyncio.wait({writing}, timeout=self._settings.intake_deadline_s)
        if writing.done():
            return writing.exception()
        writing.cancel()
        return Unavailable(
            "the feedback store did not answer in time; send it again, it counts once"
        )


def suffices(offered: str, *, demanded: str) -> bool:
    """Whether an acknowledgement is worth at least what is demanded."""
    return _WORTH[offered] >= _WORTH[demanded] or demanded == "memory"


def _acknowledge(group: list[Waiting], failure: BaseException | None) -> None:
    for _, acknowledged in group:
        if acknowledged.done():  # its client went away
            continue
        if failure is None:
            acknowledged.set_result(None)
        else:
            acknowledged.set_exception(failure)
