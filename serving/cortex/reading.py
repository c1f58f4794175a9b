"""What a shard's streams hold, portion by portion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import TypeAlias

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

    ``events`` is the feedback by experiment. What was sent before ``until_ms`` has been read.
    ``full`` says that more may be waiting.
    """

    feedback: Read[FeedbackEvent]
    events: Mapping[str, Sequence[FeedbackEvent]]
    decisions: Read[DecisionEvent]
    after: Places
    places: Places
    until_ms: int
    full: bool

    @property
    def damaged(self) -> list[bytes]:
        """Entries that nobody can read."""
        return [*self.feedback.damaged, *self.decisions.damaged]


class Reading:
    """The two streams of one shard, read in step."""

    def __init__(self, intake: Intake, shard: int, *, pace: Pace, clock: Callable[[], int]) -> None:
        self._intake = intake
        self._shard = shard
        self._pace = pace
        self._clock = clock

    async def fetch(self, after: Places) -> Portion:
        """What lies behind some places; raises Unavailable."""
        began_ms, limit = self._clock(), self._pace.limit
        feedback = await self._intake.read_feedback(
            self._shard, after=after[0].position, limit=limit, block_ms=0
        )
        decisions = await self._intake.read_decisions(
            self._shard, after=after[1].position, limit=limit, block_ms=0
        )
        return Portion(
            feedback=feedback,
            events=_by_experiment(feedback.events),
            decisions=decisions,
            after=after,
            places=(
                replace(after[0], position=feedback.position),
                replace(after[1], position=decisions.position),
            ),
            until_ms=_read_until(began_ms, feedback.events, decisions.events),
            full=max(len(feedback.events), len(decisions.events)) >= limit,
        )


def _by_experiment(feedback: Sequence[FeedbackEvent]) -> dict[str, list[FeedbackEvent]]:
    events: dict[str, list[FeedbackEvent]] = {}
    for name, some in groupby(feedback, key=attrgetter("experiment")):
        events.setdefault(name, []).extend(some)
    return events


def _read_until(
    began_ms: int, feedback: Sequence[FeedbackEvent], decisions: Sequence[DecisionEvent]
) -> int:
    """What was sent before that has been read; both streams are in the order of time, roughly."""
    return min(
        began_ms,
        max((event.received_ms for event in feedback), default=began_ms),
        max((event.decided_ms for event in decisions), default=began_ms),
    )
