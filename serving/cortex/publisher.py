"""States on their way to the motors: coalesced per experiment, the latest wins."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from qbrix.errors import QbrixError, Unavailable
from serving.cortex.deployments import Live
from serving.cortex.published import published
from serving.failpoints import failpoint
from serving.storage.base import Channel
from serving.telemetry import CortexMetrics

__all__ = ["Publisher"]

_log = structlog.get_logger("cortex")

_INTERVAL_S = 0.1
_PREPARE_SHARE = 5  # preparing takes at most a fifth of a motor's time
_LONGEST_S = 3.0  # but a process that is paused meanwhile takes its pause for preparation


class Publisher:
    """Publishes what the ledger has committed; what it cannot publish it tries again."""

    def __init__(
        self,
        channel: Channel,
        *,
        metrics: CortexMetrics | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channel = channel
        self._metrics = metrics or CortexMetrics()
        self._clock = clock
        self._waiting: dict[str, tuple[Live, int, float]] = {}
        self._due: dict[str, float] = {}
        self._offered = asyncio.Event()
        self._publishing = asyncio.Lock()

    def offer(self, live: Live, *, term: int) -> None:
        """This is the head now; an earlier one that still waits is left out."""
        self._waiting[live.record.id] = (live, term, time.monotonic())
        self._offered.set()

    def forget_all(self) -> None:
        """Somebody else leads: what waits is theirs to publish."""
        self._waiting.clear()

    async def run(self) -> None:
        """Publish what is due, for ever."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s()):
                    await self._offered.wait()
            self._offered.clear()
            try:
                await self.publish_due()
            except Unavailable as error:
                _log.warning("publish_delayed", error=str(error))
                await asyncio.sleep(error.retry_after_s)

    async def flush(self) -> None:
        """Publish everything now; raises Unavailable when the channel is away."""
        async with self._publishing:
            for experiment in list(self._waiting):
                await self._publish(experiment)

    def _pause_s(self) -> float | None:
        """Until the first one is due; None when nothing waits."""
        if not self._waiting:
            return None
        now = self._clock()
        return max(0.0, min(self._due.get(name, now) for name in self._waiting) - now)

    async def publish_due(self) -> None:
        """Publish what has waited long enough; raises Unavailable when the channel is away."""
        now = self._clock()
        async with self._publishing:
            for experiment in [name for name in self._waiting if self._due.get(name, now) <= now]:
                await self._publish(experiment)

    async def _publish(self, experiment: str) -> None:
        found = self._waiting.get(experiment)
        if found is None:
            return
        live, term, offered_s = found
        began = self._clock()
        try:
            record = await asyncio.to_thread(published, live, term=term)
            prepared_s = self._clock() - began
            failpoint("cortex.before_publish")
            taken = await self._channel.publish(record)
        except Unavailable:
            raise
        except QbrixError as error:
            _log.error("not_published", experiment=experiment, error=str(error))
            prepared_s = 0.0
            self._metrics.publications.add("failed")
        else:
            self._metrics.publications.add("published" if taken else "outdated")
            self._metrics.publish_s.observe(time.monotonic() - offered_s)
        failpoint("cortex.after_publish")
        pause_s = min(max(_INTERVAL_S, _PREPARE_SHARE * prepared_s), _LONGEST_S)
        self._due[experiment] = began + pause_s
        if self._waiting.get(experiment) is found:
            del self._waiting[experiment]
