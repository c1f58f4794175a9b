"""One conversation with a motor: groups of queries go, groups of answers come, in any order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import TypeAlias

import grpc

from qbrix.errors import QbrixError, Unavailable
from serving.wire.convert import read_answers, write_queries
from serving.wire.selection import Outcome, Query

__all__ = ["Decided", "MotorStream", "Unreachable"]

Decided: TypeAlias = Outcome | QbrixError


class Unreachable(Unavailable):
    """The motor did not answer; another may."""


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

    A few groups are under way at a time; whoever asks meanwhile rides with the next one. No timer
    holds a group back.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
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
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._listening = self._loop.create_task(self._listen(channel))

    def ask(self, queries: Sequence[Query]) -> asyncio.Future[list[Decided]]:
        """The promise of one outcome or error per query, in order; broken by Unreachable."""
        asker = _Asker(
            queries=queries, answers=self._loop.create_future(), since_s=self._loop.time()
        )
        self.load += len(queries)
        self._waiting.append(asker)
        self._wake.set()
        return asker.answers

    def end(self, reason: str) -> None:
        """Hang up, and tell whoever waits why there is no answer."""
        if self.ended:
            return
        self.ended = True
        self._listening.cancel()
        for group in self._groups.values():
            group.deadline.cancel()
        left = [asker for group in self._groups.values() for asker in group.askers]
        for asker in (*left, *self._waiting):
            if not asker.answers.done():
                asker.answers.set_exception(Unreachable(reason))

    async def _listen(self, channel: grpc.aio.Channel) -> None:
        talk: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
            "/qbrix.motor.MotorService/DecideGroups"
        )
        reason = f"motor at {self._address} hung up"
        try:
            async for data in talk(self._outgoing()):
                self._settle(*read_answers(data))
        except grpc.aio.AioRpcError as error:
            # A group written while the motor hangs up hides its word behind grpc's own INTERNAL
            # (github.com/grpc/grpc/issues/36066).
            if error.code() is not grpc.StatusCode.INTERNAL:
                reason = f"motor at {self._address} does not answer: {error.details()}"
        finally:
            self.end(reason)

    async def _outgoing(self) -> AsyncIterator[bytes]:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting and len(self._groups) < self._under_way:
                yield self._next_group()

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

    def _settle(self, number: int, answers: Sequence[Decided]) -> None:
        group = self._groups.pop(number)
        group.deadline.cancel()
        self.load -= len(answers)
        rest = iter(answers)
        for asker in group.askers:
            own = list(islice(rest, len(asker.queries)))
            if not asker.answers.done():  # else whoever asked has gone
                asker.answers.set_result(own)
        if self._waiting:
            self._wake.set()
