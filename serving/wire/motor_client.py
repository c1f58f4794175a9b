"""The way to a motor elsewhere: whatever waits rides together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc

from qbrix.errors import Unavailable
from serving.wire.convert import read_health
from serving.wire.motor_stream import Decided, MotorStream
from serving.wire.selection import Query, Unreachable
from serving.wire.ways import Ears, Way, open_way

__all__ = ["MotorClient", "Unreachable"]

_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class MotorClient:
    """The way to one motor: a stream, and another one when it has ended."""

    def __init__(
        self,
        address: str,
        *,
        deadline_s: float = 2.0,
        together: int = 256,
        under_way: int = 2,
        limit: int = 20_000,
    ) -> None:
        self.address = address
        self._deadline_s = deadline_s
        self._together = together
        self._under_way = under_way
        self._limit = limit
        self._channel: grpc.aio.Channel | None = None
        self._stream: MotorStream | None = None

    async def start(self) -> None:
        """Open the channel; it connects, and connects again, by itself."""
        self._channel = grpc.aio.insecure_channel(self.address, options=_OPTIONS)

    async def stop(self) -> None:
        """Close the channel; what still waits is answered Unavailable."""
        if self._stream is not None:
            self._stream.end(f"the way to motor at {self.address} is closed")
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    @property
    def load(self) -> int:
        """How many queries wait for an answer."""
        return 0 if self._stream is None or self._stream.ended else self._stream.load

    async def ping(self) -> None:
        """Raises Unavailable when it does not answer, or does not serve."""
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._opened().unary_unary(
            "/qbrix.motor.MotorService/Health"
        )
        try:
            answer = await call(b"", timeout=self._deadline_s)
        except grpc.aio.AioRpcError as error:
            raise Unreachable(
                f"motor at {self.address} does not answer: {error.details()}"
            ) from None
        if not read_health(answer):
            raise Unavailable(f"motor at {self.address} answers that it does not serve")

    async def decide(self, queries: Sequence[Query]) -> list[Decided]:
        """One outcome or error per query, in order; raises Unreachable, or Unavailable."""
        if self.load + len(queries) > self._limit:
            raise Unavailable("too many decisions wait for motor; try again")
        if self._stream is None or self._stream.ended:
            self._opened()
            self._stream = MotorStream(
                self._way,
                address=self.address,
                deadline_s=self._deadline_s,
                together=self._together,
                under_way=self._under_way,
            )
        return await self._stream.ask(queries)

    async def _way(self, ears: Ears) -> Way:
        return await open_way(self._opened(), address=self.address, ears=ears)

    def _opened(self) -> grpc.aio.Channel:
        if self._channel is None:
            raise Unreachable(f"the way to motor at {self.address} is closed")
        return self._channel
