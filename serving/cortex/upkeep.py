"""Now and then: months ahead, what need not be kept any more, decisions that were lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

import structlog

from qbrix.errors import Unavailable
from serving.cortex.times import now_ms
from serving.settings import CortexSettings
from serving.storage import keys
from serving.storage.base import Retention, Stores
from serving.telemetry import CortexMetrics
from serving.tokens import LIFETIME_S

__all__ = ["Upkeep", "retention"]

_log = structlog.get_logger("cortex")

_DAY_S = 86_400.0


def retention(settings: CortexSettings, *, token_lifetime_s: float = LIFETIME_S) -> Retention:
    """How long what is kept: longer by a day than a token lives, whose reward may still come."""
    least_s = token_lifetime_s + _DAY_S
    return Retention(
        keys_ms=round(1000 * max(settings.key_retention_s, least_s)),
        decisions_ms=_ms(settings.decision_retention_s, least_s),
        ledger_ms=_ms(settings.ledger_retention_s, least_s),
        restore_after_ms=round(1000 * settings.restore_after_s),
    )


class Upkeep:
    """Tends the archive for ever; of several processes one does it at a time."""

    def __init__(
        self,
        stores: Stores,
        keep: Retention,
        metrics: CortexMetrics,
        *,
        shards: Sequence[int],
        every_s: float,
    ) -> None:
        self._stores = stores
        self._keep = keep
        self._shards = shards
        self._every_s = every_s
        self._lost = 0
        metrics.watch(
            "qbrix_decisions_lost",
            "decisions that no log will ever have",
            self._read_lost,
            grows=True,
        )

    async def run(self) -> None:
        """Until cancelled; waits out a store that is away."""
        while True:
            try:
                await self.round()
            except Unavailable as error:
                _log.warning("upkeep_delayed", error=str(error))
            await asyncio.sleep(self._every_s)

    async def round(self) -> None:
        """Once; raises Unavailable."""
        archive, unread_ms = self._stores.archive, await self._unread_ms()
        tended = await archive.tend(self._keep, now_ms=now_ms(), unread_ms=unread_ms)
        self._lost = max(self._lost, await archive.decisions_lost())
        if tended:
            _log.info("tended", **asdict(tended))

    async def _unread_ms(self) -> int | None:
        """When the oldest decision was made that waits in a stream; None when none does."""
        ledger, intake = self._stores.ledger, self._stores.intake
        times: list[int] = []
        for shard in self._shards:
            place = await ledger.position(keys.decision_stream(shard))
            same = place is not None and place[0] == await intake.incarnation(shard)
            after = place[1] if place is not None and same else "0"
            read = await intake.read_decisions(shard, after=after, limit=1, block_ms=0)
            times += [event.decided_ms for event in read.events]
        return min(times, default=None)

    def _read_lost(self) -> float:
        return float(self._lost)


def _ms(seconds: float | None, least_s: float) -> int | None:
    return None if seconds is None else round(1000 * max(seconds, least_s))
