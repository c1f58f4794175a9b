"""Feedback on its way to disk: whatever waits for a shard goes there together."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

import structlog

from qbrix.errors import Unavailable
from serving.failpoints import failpoint
from serving.proxy.agent.kept import Kept, KeptFeedback
from serving.settings import ProxySettings
from serving.storage.base import FeedbackEvent, Intake
from serving.telemetry import ProxyMetrics

__all__ = ["FeedbackIntake", "suffices"]

_log = structlog.get_logger("proxy")

_WORTH = {"evicting": 0, "memory": 1, "everysec": 2, "always": 3}
_TOGETHER = 512
_AWAY_S = 0.2  # a store that just failed is not asked again for so long

Waiting = tuple[FeedbackEvent, "asyncio.Future[None]"]


class FeedbackIntake:
    """Group commit per shard; an event is acknowledged when its group is on disk, never before.

    What was acknowledged is kept until the ledger has passed it, and sent again when the streams
    that held it are gone. An acknowledged reward is lost only if the store's data and this process
    are lost together.
    """

    def __init__(
        self, settings: ProxySettings, intake: Intake, metrics: ProxyMetrics, *, shards: int
    ) -> None:
        self.kept = KeptFeedback()
        self._settings = settings
        self._shards = range(shards)
        self._intake = intake
        self._metrics = metrics
        self._waiting: dict[int, deque[Waiting]] = {}
        self._writing: dict[int, asyncio.Task[None]] = {}
        self._refusal: str | None = "the durability of the feedback store is not known yet"
        self._unread: dict[int, int] = {}
        self._incarnations: dict[int, str] = {}
        self._replaced = asyncio.Event()
        self._away = ("", 0.0)  # what was wrong with the store, and until when nobody asks it

    async def run(self) -> None:
        """Look after the store for ever: at once when streams were replaced, else regularly."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.durability_check_s):
                    await self._replaced.wait()
            self._replaced.clear()
            await self.check()

    async def check(self) -> None:
        """Ask the store what its acknowledgement is worth and how far the ledger has come."""
        try:
            outlook = await self._intake.look(self._shards)
            for shard, seen in outlook.shards.items():
                self._unread[shard] = seen.unread
                self._incarnations[shard] = seen.incarnation
                await self._send_again(shard, self.kept.settle(shard, seen))
        except Unavailable as error:
            _log.warning("durability_unknown", error=str(error))
            return
        self._away = ("", 0.0)
        self._judge(outlook.durability)

    @property
    def refusal(self) -> str | None:
        """Why feedback cannot be accepted at all, or None."""
        return self._refusal

    async def append(self, shard: int, event: FeedbackEvent) -> None:
        """On disk on return; raises Unavailable otherwise (it may be there all the same)."""
        if self._refusal is not None:
            raise Unavailable(self._refusal, retry_after_s=self._settings.durability_check_s)
        if time.monotonic() < self._away[1]:
            raise Unavailable(self._away[0])
        waiting = self._waiting.setdefault(shard, deque())
        if self._is_full(shard) or len(waiting) >= self._settings.intake_limit:
            raise Unavailable(
                f"too much feedback waits to be learned ({self._unread.get(shard, 0)} events of "
                f"shard {shard}, {len(waiting)} on their way, {self.kept.size_bytes} bytes kept); "
                "send it again later"
            )
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append((event, acknowledged))
        if shard not in self._writing:
            self._begin(shard, waiting)
        await acknowledged

    @property
    def unread(self) -> dict[int, int]:
        """Events that nobody has learned yet, by shard, as of the last answer of the store."""
        return dict(self._unread)

    async def drain(self) -> None:
        """Return when nothing waits any more."""
        while self._writing:
            await asyncio.wait(set(self._writing.values()))

    def _judge(self, offered: str) -> None:
        """Accept feedback, or say why not."""
        demanded = self._settings.durability
        before = self._refusal
        self._refusal = None
        if not suffices(offered, demanded=demanded):
            self._refusal = (
                f"the feedback store offers durability {offered!r}, {demanded!r} is demanded; "
                "set appendfsync always and noeviction, or accept less with PROXY_DURABILITY"
            )
        if self._refusal is not None and self._refusal != before:
            _log.error("not_durable", offered=offered, demanded=demanded)

    def _is_full(self, shard: int) -> bool:
        too_many = self._unread.get(shard, 0) >= self._settings.backlog_limit
        return too_many or self.kept.size_bytes >= self._settings.kept_limit_bytes

    async def _send_again(self, shard: int, strays: list[Kept]) -> None:
        """Their streams are gone; what the ledger has already counts once all the same."""
        if strays:
            lost = sum(group.events for group in strays)
            _log.warning("feedback_sent_again", shard=shard, events=lost)
        try:
            while strays:
                events = strays[0].unpacked()
                self.kept.add(shard, events, await self._intake.append_feedback(shard, events))
                del strays[0]
        finally:
            self.kept.take_back(shard, strays)

    def _begin(self, shard: int, waiting: deque[Waiting]) -> None:
        """Write what waits when the task begins; and then what has come to wait meanwhile."""
        group: list[Waiting] = []
        writing = asyncio.create_task(self._write(shard, waiting, group))
        loop = writing.get_loop()
        impatient = loop.call_later(self._settings.intake_deadline_s, writing.cancel)
        writing.add_done_callback(partial(self._written, shard, waiting, group, impatient))
        self._writing[shard] = writing

    async def _write(self, shard: int, waiting: deque[Waiting], group: list[Waiting]) -> None:
        group += [waiting.popleft() for _ in range(min(len(waiting), _TOGETHER))]
        events = [event for event, _ in group]
        failpoint("intake.before_write")
        self._metrics.intake_group.observe(len(events))
        began_s = time.perf_counter()
        place = await self._intake.append_feedback(shard, events)
        self._metrics.intake_write_s.observe(time.perf_counter() - began_s)
        self._unread[shard] = place.unread
        self.kept.add(shard, events, place)
        if self._incarnations.setdefault(shard, place.incarnation) != place.incarnation:
            self._replaced.set()
        failpoint("intake.after_write")
        _acknowledge(group)

    def _written(
        self,
        shard: int,
        waiting: deque[Waiting],
        group: list[Waiting],
        impatient: asyncio.TimerHandle,
        writing: asyncio.Task[None],
    ) -> None:
        impatient.cancel()
        del self._writing[shard]
        failure = _late() if writing.cancelled() else writing.exception()
        if failure is not None:  # whoever waits would meet the same store
            _refuse([*group, *waiting], failure)
            waiting.clear()
        if isinstance(failure, Unavailable):
            self._away = (str(failure), time.monotonic() + _AWAY_S)
        if waiting:
            self._begin(shard, waiting)


def suffices(offered: str, *, demanded: str) -> bool:
    """Whether an acknowledgement is worth at least what is demanded."""
    return _WORTH[offered] >= _WORTH[demanded] or demanded == "memory"


def _late() -> Unavailable:
    return Unavailable("the feedback store did not answer in time; send it again, it counts once")


def _acknowledge(group: Iterable[Waiting]) -> None:
    for _, acknowledged in group:
        if not acknowledged.done():  # else its client went away
            acknowledged.set_result(None)


def _refuse(group: Iterable[Waiting], failure: BaseException) -> None:
    for _, acknowledged in group:
        if not acknowledged.done():
            acknowledged.set_exception(failure)
