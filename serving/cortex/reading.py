"""What a shard's streams hold, portion by portion; the next one is fetched while one is learned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TypeAlias

from qbrix.errors import Unavailable
from serving.cortex.pace import Pace
from serving.storage.base import DecisionEvent, FeedbackEvent, Intake, Read

__all__ = ["Place", "Places", "Portion", "Reading"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where reading of a stream goes on."""

    stream: str
    incarnation: str
    position: str


Places: TypeAlias = tuple[Place, Place]
"""Of feedback and of decisions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Portion:
    """What was read behind some places, and the places behind it.

    What was sent before ``until_ms`` has been read. ``full`` says that more may be waiting.
    """

    feedback: Read[FeedbackEvent]
    decisions: Read[DecisionEvent]
    after: Places
    places: Places
    until_ms: int
    full: bool


class Reading:
    """The two streams of one shard, read in step."""

    def __init__(self, intake: Intake, shard: int, *, pace: Pace, clock: Callable[[], int]) -> None:
        self._intake = intake
        self._shard = shard
        self._pace = pace
        self._clock = clock
        self._ahead: Portion | None = None

    async def read(self, after: Places) -> Portion:
        """What lies behind some places; raises Unavailable."""
        ahead, self._ahead = self._ahead, None
        return ahead if ahead is not None and ahead.after == after else await self._fetch(after)

    @asynccontextmanager
    async def ahead(self, portion: Portion) -> AsyncIterator[None]:
        """Fetch what follows a full portion in the meantime, to be there when it is asked for."""
        fetching = asyncio.create_task(self._fetch_ahead(portion))
        try:
            yield
            await fetching
        finally:
            fetching.cancel()

    def forget(self) -> None:
        """Nobody asks for what comes next."""
        self._ahead = None

    async def _fetch_ahead(self, portion: Portion) -> None:
        if portion.full:
            with suppress(Unavailable):  # whoever asks for it hears of it
                self._ahead = await self._fetch(portion.places)

    async def _fetch(self, after: Places) -> Portion:
        began_ms, limit = self._clock(), self._pace.limit
        feedback = await self._intake.read_feedback(
            self._shard, after=after[0].position, limit=limit, block_ms=0
        )
        decisions = await self._intake.read_decisions(
            self._shard, after=after[1].position, limit=limit, block_ms=0
        )
        return Portion(
            feedback=feedback,
            decisions=decisions,
            after=after,
            places=(
                replace(after[0], position=feedback.position),
                replace(after[1], position=decisions.position),
            ),
            until_ms=_read_until(began_ms, feedback.events, decisions.events),
            full=max(len(feedback.events), len(decisions.events)) >= limit,
        )


def _read_until(
    began_ms: int, feedback: Sequence[FeedbackEvent], decisions: Sequence[DecisionEvent]
) -> int:
    """What was sent before that has been read; both streams are in the order of time, roughly."""
    return min(
        began_ms,
        max((event.received_ms for event in feedback), default=began_ms),
        max((event.decided_ms for event in decisions), default=began_ms),
    )
