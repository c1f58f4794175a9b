"""Ways to a motor: a link where it offers one that can be reached, else a gRPC stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import grpc
import structlog

from serving.wire.convert import read_link
from serving.wire.link import GOODBYE, Link
from serving.wire.selection import Unreachable

__all__ = ["Ears", "Way", "open_way"]

_log = structlog.get_logger("motors")


class Ears(Protocol):
    """Who listens on this end of a way."""

    def heard(self, message: bytes) -> None:
        """A group of answers came."""
        ...

    def leaving(self) -> None:
        """The motor goes: it answers what it was asked, and nothing more."""
        ...

    def end(self, reason: str) -> None:
        """Nothing comes any more, why."""
        ...


class Way(Protocol):
    """How messages get to a motor."""

    def send(self, message: bytes) -> None:
        """A group of queries goes."""
        ...

    def finish(self) -> None:
        """It was the last one."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


async def open_way(channel: grpc.aio.Channel, *, address: str, ears: Ears) -> Way:
    """The best there is; raises Unreachable."""
    port = await _link_port(channel, address=address)
    if port is not None:
        host = address.rpartition(":")[0].strip("[]")
        try:
            _, link = await asyncio.get_running_loop().create_connection(
                lambda: _LinkWay(ears, address=address), host, port
            )
        except OSError as error:
            _log.warning("link_unreachable", motor=address, port=port, error=str(error))
        else:
            return link
    return _GrpcWay(channel, ears, address=address)


async def _link_port(channel: grpc.aio.Channel, *, address: str) -> int | None:
    """Where the motor has its link; None for one of a release that had none."""
    ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        "/qbrix.motor.MotorService/Link"
    )
    try:
        return read_link(await ask(b""))
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return None
        raise Unreachable(f"motor at {address} does not answer: {error.details()}") from None


class _LinkWay(Link):
    def __init__(self, ears: Ears, *, address: str) -> None:
        super().__init__()
        self._ears = ears
        self._address = address

    def heard(self, message: bytes) -> None:
        if message == GOODBYE:
            self._ears.leaving()
        else:
            self._ears.heard(message)

    def connection_lost(self, error: Exception | None) -> None:
        self._ears.end(f"motor at {self._address} hung up")


class _GrpcWay:
    def __init__(self, channel: grpc.aio.Channel, ears: Ears, *, address: str) -> None:
        self._ears = ears
        self._address = address
        self._going: asyncio.Queue[bytes] = asyncio.Queue()
        self._talking = asyncio.create_task(self._talk(channel))

    def send(self, message: bytes) -> None:
        self._going.put_nowait(message)

    def finish(self) -> None:
        """A motor that goes ends the stream by itself."""

    def close(self) -> None:
        self._talking.cancel()

    async def _talk(self, channel: grpc.aio.Channel) -> None:
        talk: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
            "/qbrix.motor.MotorService/DecideGroups"
        )
        reason = f"motor at {self._address} hung up"
        try:
            async for message in talk(self._outgoing()):
                self._ears.heard(message)
        except grpc.aio.AioRpcError as error:
            # A group written while the motor hangs up hides its word behind grpc's own INTERNAL
            # (github.com/grpc/grpc/issues/36066).
            if error.code() is not grpc.StatusCode.INTERNAL:
                reason = f"motor at {self._address} does not answer: {error.details()}"
        finally:
            self._ears.end(reason)

    async def _outgoing(self) -> AsyncIterator[bytes]:
        while True:
            yield await self._going.get()
