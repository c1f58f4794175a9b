"""The way to a motor elsewhere: whatever waits rides together in one call."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, TypeAlias

import grpc

from qbrix.errors import QbrixError, Unavailable
from serving.wire.convert import read_decided, read_health, write_queries
from serving.wire.selection import Outcome, Query

__all__ = ["MotorClient", "Unreachable"]

Decided: TypeAlias = Outcome | QbrixError
Waiting: TypeAlias = tuple[Query, "asyncio.Future[Decided]"]

_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class Unreachable(Unavailable):
    """The motor did not answer; another may."""


class MotorClient:
    """The way to one motor. A few calls are under way at a time; no timer holds one back."""

    def __init__(
        self,
        address: str,
        *,
        deadline_s: float = 2.0,
        together: int = 256,
        in_flight: int = 2,
        limit: int = 20_000,
    ) -> None:
        self.address = address
        self._deadline_s = deadline_s
        self._together = together
        self._in_flight = in_flight
        self._limit = limit
        self._waiting: deque[Waiting] = deque()
        self._callers: set[asyncio.Task[None]] = set()
        self._channel: grpc.aio.Channel | None = None

    async def start(self) -> None:
        """Open the channel; it connects, and connects again, by itself."""
        self._channel = grpc.aio.insecure_channel(self.address, options=_OPTIONS)

    async def stop(self) -> None:
        """Close the channel; what still waits is answered Unavailable."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    @property
    def load(self) -> int:
        """How much is under way or waits."""
        return len(self._waiting) + len(self._callers)

    async def ping(self) -> None:
        """Raises Unavailable when it does not answer, or does not serve."""
        if not read_health(await self._call("Health", b"")):
            raise Unavailable(f"motor at {self.address} answers that it does not serve")

    async def decide(self, queries: Sequence[Query]) -> list[Decided]:
        """One outcome or error per query, in order; raises Unreachable, or Unavailable."""
        if len(self._waiting) + len(queries) > self._limit:
            raise Unavailable("too many decisions wait for motor; try again")
        loop = asyncio.get_running_loop()
        wanted: list[asyncio.Future[Decided]] = [loop.create_future() for _ in queries]
        self._waiting.extend(zip(queries, wanted, strict=True))
        if len(self._callers) < self._in_flight:
            caller = asyncio.create_task(self._run())
            self._callers.add(caller)
        try:
            async with asyncio.timeout(self._deadline_s):
                decided = [await future for future in wanted]
        except TimeoutError:
            for future in wanted:
                future.cancel()
            raise Unreachable(f"motor at {self.address} did not answer in time") from None
        for one in decided:
            if isinstance(one, Unreachable):
                raise one
        return decided

    async def _run(self) -> None:
        """Call until nothing waits."""
        try:
            while group := self._take():
                await self._ask(group)
        finally:
            self._callers.discard(asyncio.current_task())

    def _take(self) -> list[Waiting]:
        """The next group; who gave up waiting is left out."""
        group: list[Waiting] = []
        while self._waiting and len(group) < self._together:
            query, future = self._waiting.popleft()
            if not future.done():
                group.append((query, future))
        return group

    async def _ask(self, group: list[Waiting]) -> None:
        decided: Sequence[Decided]
        try:
            data = await self._call("Decide", write_queries([query for query, _ in group]))
            decided = read_decided(data)
        except Unreachable as error:
            decided = [error] * len(group)
        for (_, future), made in zip(group, decided, strict=True):
            if not future.done():
                future.set_result(made)

    async def _call(self, method: str, request: bytes) -> bytes:
        if self._channel is None:
            raise Unreachable("the way to motor is closed")
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            f"/qbrix.motor.MotorService/{method}"
        )
        try:
            return await call(request, timeout=self._deadline_s)
        except grpc.aio.AioRpcError as error:
            raise Unreachable(
                f"motor at {self.address} does not answer: {error.details()}"
            ) from None
