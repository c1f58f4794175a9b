"""One conversation with a motor: groups of queries go, groups of answers come, in any order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import TypeAlias

from qbrix.errors import QbrixError
from serving.wire.convert import Unreadable, read_answers, write_queries
from serving.wire.selection import Outcome, Query, Unreachable
from serving.wire.ways import Ears, Way

__all__ = ["Decided", "MotorStream"]

Decided: TypeAlias = Outcome | QbrixError


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asker:
    queries: Sequence[Query]
    answers: asyncio.Future[list[Decided]]
    since_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Group:
    askers: list[_Asker]
    deadline: asyncio.TimerHandle


class MotorStream:
    """Open until the motor hangs up or lets a group wait too long; then nobody waits any more.

    Whoever asks in one turn of the event loop rides together. A few groups are under way at a
    time; whoever asks meanwhile rides with the next one. No timer holds a group back.
    """

    def __init__(
        self,
        way: Callable[[Ears], Awaitable[Way]],
        *,
        address: str,
        deadline_s: float,
        together: int,
        under_way: int,
    ) -> None:
        self.ended = False
        self.load = 0  # queries without an answer
        self._address = address
        self._deadline_s = deadline_s
        self._together = together
        self._under_way = under_way
        self._numbers = count()
        self._waiting: deque[_Asker] = deque()
        self._groups: dict[int, _Group] = {}
        self._leaving = self._going = False
        self._way: Way | None = None
        self._loop = asyncio.get_running_loop()
        self._opening = self._loop.create_task(self._open(way))

    def ask(self, queries: Sequence[Query]) -> asyncio.Future[list[Decided]]:
        """The promise of one outcome or error per query, in order; broken by Unreachable."""
        if self._leaving:
            raise Unreachable(f"motor at {self._address} hung up")
        asker = _Asker(
            queries=queries, answers=self._loop.create_future(), since_s=self._loop.time()
        )
        self.load += len(queries)
        self._waiting.append(asker)
        if not self._going:
            self._going = True
            self._loop.call_soon(self._go)
        return asker.answers

    def heard(self, message: bytes) -> None:
        """A group of answers came."""
        try:
            number, answers = read_answers(message)
            group = self._groups.pop(number)
        except (Unreadable, KeyError):
            self.end(f"motor at {self._address} hung up after it had answered nonsense")
            return
        group.deadline.cancel()
        self.load -= len(answers)
        rest = iter(answers)
        for asker in group.askers:
            own = list(islice(rest, len(asker.queries)))
            if not asker.answers.done():  # else whoever asked has gone
                asker.answers.set_result(own)
        if self._waiting or self._leaving:
            self._go()

    def leaving(self) -> None:
        """The motor answers those who have asked, and nobody else."""
        self._leaving = True
        self._go()

    def end(self, reason: str) -> None:
        """Hang up, and tell whoever waits why there is no answer."""
        if self.ended:
            return
        self.ended = True
        self._opening.cancel()
        if self._way is not None:
            self._way.close()
        for group in self._groups.values():
            group.deadline.cancel()
        left = [asker for group in self._groups.values() for asker in group.askers]
        for asker in (*left, *self._waiting):
            if not asker.answers.done():
                asker.answers.set_exception(Unreachable(reason))

    async def _open(self, way: Callable[[Ears], Awaitable[Way]]) -> None:
        try:
            async with asyncio.timeout(self._deadline_s):
                self._way = await way(self)
        except TimeoutError:
            self.end(f"motor at {self._address} did not answer in time")
        except Unreachable as error:
            self.end(str(error))
        else:
            self._go()

    def _go(self) -> None:
        self._going = False
        if self.ended or self._way is None:
            return
        while self._waiting and len(self._groups) < self._under_way:
            self._way.send(self._next_group())
        if self._leaving and not self._waiting:
            self._way.finish()

    def _next_group(self) -> bytes:
        """Whoever waits, as far as they fit; their time counts from when the first one asked."""
        askers = [self._waiting.popleft()]
        size = len(askers[0].queries)
        while self._waiting and size + len(self._waiting[0].queries) <= self._together:
            askers.append(self._waiting.popleft())
            size += len(askers[-1].queries)
        number = next(self._numbers)
        late_s = askers[0].since_s + self._deadline_s
        late = f"motor at {self._address} did not answer in time"
        deadline = self._loop.call_at(late_s, self.end, late)
        self._groups[number] = _Group(askers=askers, deadline=deadline)
        return write_queries(number, [query for asker in askers for query in asker.queries])
