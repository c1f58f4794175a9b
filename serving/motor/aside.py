"""Decisions by promoted code: off the event loop, one call at a time for each state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

from qbrix.errors import Unavailable
from serving.motor.cache import Prepared
from serving.motor.deciding import Answer
from serving.wire.selection import Query

__all__ = ["Aside"]

Passengers: TypeAlias = list[tuple[Query, "asyncio.Future[Answer]"]]


class Aside:
    """Whoever asks while a call is under way rides with the next one."""

    def __init__(self, decide: Callable[[Prepared, Sequence[Query]], list[Answer]]) -> None:
        self._decide = decide
        self._riding: dict[Prepared, Passengers] = {}
        self._tasks: dict[Prepared, asyncio.Task[None]] = {}

    def ride(self, entry: Prepared, query: Query) -> asyncio.Future[Answer]:
        """The promise of an answer."""
        promise: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._riding.setdefault(entry, []).append((query, promise))
        if entry not in self._tasks:
            self._tasks[entry] = asyncio.create_task(self._go(entry))
        return promise

    async def stop(self) -> None:
        """Let nobody wait any longer."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _go(self, entry: Prepared) -> None:
        try:
            while passengers := self._riding.pop(entry, None):
                await self._answer(entry, passengers)
        finally:
            del self._tasks[entry]

    async def _answer(self, entry: Prepared, passengers: Passengers) -> None:
        queries = [query for query, _ in passengers]
        answers: list[Answer] = [Unavailable("the policy was interrupted")] * len(queries)
        try:
            answers = await asyncio.to_thread(self._decide, entry, queries)
        finally:
            for (_, promise), answer in zip(passengers, answers, strict=True):
                if not promise.done():  # else whoever asked has gone
                    promise.set_result(answer)
