"""What follows a portion, fetched and learned while the ledger writes the portion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeAlias

from qbrix.errors import Unavailable
from serving.cortex.asking import Asking
from serving.cortex.closings import Closings
from serving.cortex.deployments import Deployments, Live
from serving.cortex.learn import Learned
from serving.cortex.lessons import Lesson, learned_of
from serving.cortex.reading import Places, Portion, Reading
from serving.storage.base import Ledger

__all__ = ["Foresight", "Guess", "Moved"]

Moved: TypeAlias = Callable[[Sequence[Live]], None]
"""Is told the heads behind a portion, as soon as there is time to look behind it."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What an experiment learns from a portion, if it still stands where the lesson says."""

    lesson: Lesson
    learned: Learned


class Foresight:
    """One portion ahead of what is written.

    What the ledger has of later decisions is not changed by writing others, so that it can be
    asked in the meantime; who is told about a decision twice is asked again when the time comes.
    """

    def __init__(
        self,
        ledger: Ledger,
        reading: Reading,
        asking: Asking,
        deployments: Deployments,
        closings: Closings,
    ) -> None:
        self._ledger = ledger
        self._reading = reading
        self._asking = asking
        self._deployments = deployments
        self._closings = closings
        self.forget()

    def forget(self) -> None:
        """Nobody asks for what comes next."""
        self._portion: Portion | None = None
        self._guesses: Mapping[str, Guess] = {}

    async def read(self, after: Places) -> tuple[Portion, Mapping[str, Guess]]:
        """What lies behind some places, with guesses by experiment; raises Unavailable."""
        portion, guesses = self._portion, self._guesses
        self.forget()
        if portion is not None and portion.after == after:
            return portion, guesses
        return await self._reading.fetch(after), {}

    @asynccontextmanager
    async def ahead(self, portion: Portion) -> AsyncIterator[Moved]:
        """Look behind a full portion in the meantime."""
        moved: asyncio.Future[Sequence[Live]] = asyncio.get_running_loop().create_future()
        looking = asyncio.create_task(self._look(portion, moved))
        try:
            yield lambda heads: None if moved.done() else moved.set_result(heads)
            await looking
        finally:
            looking.cancel()

    async def _look(self, portion: Portion, moved: asyncio.Future[Sequence[Live]]) -> None:
        if not portion.full:
            return
        with suppress(Unavailable):  # whoever asks for it hears of it
            heads = {live.record.id: live for live in await moved}
            following = self._portion = await self._reading.fetch(portion.places)
            lessons = await asyncio.to_thread(self._lessons, portion, following, heads)
            learned = await learned_of(self._ledger, lessons, asks=self._asking.due(following))
            self._guesses = {one.name: Guess(one, learned[one.name]) for one in lessons}

    def _lessons(
        self, portion: Portion, following: Portion, moved: Mapping[str, Live]
    ) -> list[Lesson]:
        """Those whose decisions nobody is writing about now."""
        written = {event.decision_id for event in portion.feedback.events}
        lessons = []
        for name, events in following.events.items():
            head = moved.get(name) or self._deployments.at_hand(name)
            if head is not None and written.isdisjoint([event.decision_id for event in events]):
                lessons.append(Lesson(head=head, events=events, closed=self._closings.of(name)))
        return lessons
