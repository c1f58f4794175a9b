"""Answers messages on links; it goes without losing one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from serving.wire.convert import Unreadable
from serving.wire.link import GOODBYE, Link
from serving.wire.listening import having_port

__all__ = ["LinkServer"]

_log = structlog.get_logger("link")

Answer = Callable[[bytes], bytes | Coroutine[Any, Any, bytes]]


class _Guest(Link):
    """Whoever asks; hears the answers in any order, those that need not wait at once."""

    def __init__(self, answer: Answer, guests: set[_Guest]) -> None:
        super().__init__()
        self.gone = asyncio.Event()
        self._answer = answer
        self._guests = guests
        self._under_way: set[asyncio.Task[None]] = set()
        self._asked_all = False

    def heard(self, message: bytes) -> None:
        try:
            answer = self._answer(message)
        except Unreadable as error:
            _log.warning("link_unreadable", error=str(error))
            self.close()
            return
        if isinstance(answer, bytes):
            self.send(answer)
            return
        task = asyncio.get_running_loop().create_task(self._later(answer))
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._guests.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._guests.discard(self)
        self.gone.set()

    def eof_received(self) -> bool:
        self._asked_all = True
        if not self._under_way:
            self.close()
        return True

    def pause_writing(self) -> None:
        """Who does not read what it asked for may ask nothing more meanwhile."""
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    async def _later(self, answer: Awaitable[bytes]) -> None:
        self.send(await answer)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        failed = None if task.cancelled() else task.exception()
        if failed is not None:
            _log.error("link_failed", exc_info=failed)
        if failed is not None or (self._asked_all and not self._under_way):
            self.close()


class LinkServer:
    """Serves links on one port."""

    def __init__(self, answer: Answer, *, host: str, port: int) -> None:
        self._answer = answer
        self._host, self._port = host, port
        self._guests: set[_Guest] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Begin to serve; the port, chosen by the system when 0 was asked for."""
        loop = asyncio.get_running_loop()
        with having_port(
            "serve links", host=self._host, port=self._port, setting="MOTOR_LINK_PORT"
        ):
            self._server = await loop.create_server(
                lambda: _Guest(self._answer, self._guests), self._host, self._port
            )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self, *, grace_s: float) -> None:
        """Say goodbye, answer what was asked before it was heard, and go."""
        if self._server is None:
            return
        self._server.close()
        guests = list(self._guests)
        for guest in guests:
            guest.send(GOODBYE)
        if guests and grace_s > 0:
            leaving = [asyncio.create_task(guest.gone.wait()) for guest in guests]
            _, late = await asyncio.wait(leaving, timeout=grace_s)
            for task in late:
                task.cancel()
        for guest in list(self._guests):
            guest.transport.abort()
