"""Events of an experiment with all that learning from them needs, and the ledger asked once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from serving.cortex.deployments import Live
from serving.cortex.learn import Learned, learn
from serving.cortex.past import Past
from serving.storage.base import FeedbackEvent, Key, Ledger
from serving.storage.records_windows import Progress
from serving.storage.rows import are_ids, is_id

__all__ = ["Lesson", "learned_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """Feedback for one head; its windows are closed up to ``closed``."""

    head: Live
    events: Sequence[FeedbackEvent]
    closed: Progress
    past: Past | None = None

    @property
    def name(self) -> str:
        """The experiment."""
        return self.head.record.id

    def learned(self, known: Collection[Key]) -> Learned:
        """What becomes of the events if these are the keys that the ledger has."""
        return learn(
            self.head.deployment,
            self.events,
            known=known,
            resolver=self.head.resolver,
            past=self.past,
            closed=self.closed,
        )


async def learned_of(
    ledger: Ledger, lessons: Sequence[Lesson], *, asks: bool
) -> dict[str, Learned]:
    """What becomes of each lesson by what the ledger has of its decisions; raises Unavailable.

    Nearly always it has nothing: they are learned so while it is asked, and again if it does.
    What folds a past again is worth waiting for the answer. Who does not ask relies on the ledger's
    keys, but for experiments where they do not tell it all: what was taken back before it came, or
    came after its window, has a key that nobody has used.
    """
    if not lessons:
        return {}
    known, learned = await asyncio.gather(
        _known(ledger, lessons, asks=asks),
        _all([lesson for lesson in lessons if lesson.past is None], ()),
    )
    met = {key[0] for key in known}
    again = [one for one in lessons if one.past is not None or one.name in met]
    return learned | await _all(again, known)


async def _known(ledger: Ledger, lessons: Sequence[Lesson], *, asks: bool) -> set[Key]:
    if not asks:
        marked = await ledger.marked([lesson.name for lesson in lessons])
        lessons = [one for one in lessons if one.past is not None or one.name in marked]
    return await ledger.known(_keys(lessons)) if lessons else set()


async def _all(lessons: Sequence[Lesson], known: Collection[Key]) -> dict[str, Learned]:
    if not lessons:
        return {}
    return await asyncio.to_thread(
        lambda: {lesson.name: lesson.learned(known) for lesson in lessons}
    )


def _keys(lessons: Iterable[Lesson]) -> list[Key]:
    """Keys that a ledger can hold; events with others are dead anyway."""
    events = [event for lesson in lessons for event in lesson.events]
    if not are_ids([event.decision_id for event in events]):
        events = [event for event in events if is_id(event.decision_id)]
    return [event.key for event in events]
