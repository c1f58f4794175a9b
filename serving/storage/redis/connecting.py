"""Connections of the library that say what happened to them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as Broken

__all__ = ["KINDS", "Honest"]


class Honest(AbstractConnection):
    """A connection that says what happened to it.

    uvloop has a RuntimeError for a transport that the server closed: to us it is broken. And the
    `asyncio.wait_for` of Python 3.11 swallows a cancellation that arrives just when all was sent;
    whoever was cancelled so would run on, and who waits for its end would wait for ever.
    """

    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        before = _cancellations()
        try:
            await super().send_packed_command(command, check_health)
        except RuntimeError as error:
            raise Broken(str(error)) from error
        if _cancellations() > before:
            await self.disconnect(nowait=True)  # nobody will read the answer
            raise asyncio.CancelledError

    def hand_over(self, protocol: asyncio.Protocol) -> asyncio.WriteTransport:
        """The open transport; ``protocol`` hears from now on what comes."""
        if self._writer is None or self._writer.transport.is_closing():
            raise Broken("the server hung up")
        transport = self._writer.transport
        transport.set_protocol(protocol)
        return transport

    def forget(self) -> None:
        """What was handed over is gone."""
        self._reader = self._writer = None


def _cancellations() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


class _Plain(Honest, Connection):
    """Over TCP."""


class _Secure(Honest, SSLConnection):
    """Over TLS."""


class _Local(Honest, UnixDomainSocketConnection):
    """Over a socket of this machine."""


KINDS: dict[type[AbstractConnection], type[AbstractConnection]] = {
    Connection: _Plain,
    SSLConnection: _Secure,
    UnixDomainSocketConnection: _Local,
}
