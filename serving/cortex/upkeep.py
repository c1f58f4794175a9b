"""Now and then: months ahead, what need not be kept any more, decisions that were lost."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import structlog

from qbrix.errors import Unavailable
from serving.cortex.times import now_ms
from serving.settings import CortexSettings
from serving.storage.base import Archive, Retention
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
        self, archive: Archive, keep: Retention, metrics: CortexMetrics, *, every_s: float
    ) -> None:
        self._archive = archive
        self._keep = keep
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
        tended = await self._archive.tend(self._keep, now_ms=now_ms())
        self._lost = max(self._lost, await self._archive.decisions_lost())
        if tended:
            _log.info("tended", **asdict(tended))

    def _read_lost(self) -> float:
        return float(self._lost)


def _ms(seconds: float | None, least_s: float) -> int | None:
    return None if seconds is None else round(1000 * max(seconds, least_s))
