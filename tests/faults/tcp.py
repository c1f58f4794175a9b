"""A TCP proxy that misbehaves when it is told to: slow, reset, cut, half-open, deaf."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Self, TypeVar

from tests.waiting import PATIENCE_S

__all__ = ["FaultyWire"]

T = TypeVar("T")

_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # linger for 0 s: the other side gets RST instead of FIN
_LOOPBACK = "127.0.0.1"


class FaultyWire:
    """Listens on a port of its own and passes bytes on to ``target``, unless told otherwise.

    It runs in a thread of its own, so that a test's blocking call does not stop the traffic.
    ``latency_s`` delays each chunk; ``half_open`` swallows everything; ``cut_after_bytes`` (of
    answers) resets the link that carries the last of them; ``deaf_after`` lets the next request
    with this word through and resets its link instead of carrying the answer; ``mute_after``
    carries nothing on its link any more, as if the client were paused there. The last three
    happen once.
    """

    def __init__(self, target: Callable[[], int]) -> None:
        self.latency_s = 0.0
        self.half_open = False
        self.cut_after_bytes: int | None = None
        self.deaf_after: bytes | None = None
        self.mute_after: bytes | None = None
        self.deafened = self.muted = self.cut = 0
        self.port = 0
        self._target = target
        self._refuses = False
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> Self:
        """Listen on a port that the system chooses."""
        self._thread.start()
        self.port = self._call(self._listen())
        return self

    def stop(self) -> None:
        """Reset every link and end."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def reset(self) -> None:
        """Reset every link there is; new ones are welcome."""
        self._call(self._reset())

    def refuse(self) -> None:
        """Reset every link, and every new one at once."""
        self._refuses = True
        self.reset()

    def heal(self) -> None:
        """Pass everything on again; a link whose bytes were swallowed is of no use any more."""
        swallowed = self.half_open
        self._refuses = self.half_open = False
        self.latency_s = 0.0
        self.cut_after_bytes = self.deaf_after = self.mute_after = None
        if swallowed:
            self.reset()

    def is_deaf_after(self, request: bytes) -> bool:
        """Whether the answer to this request shall be lost."""
        if self.deaf_after is None or self.deaf_after not in request:
            return False
        self.deaf_after = None
        self.deafened += 1
        return True

    def is_mute_after(self, request: bytes) -> bool:
        """Whether nothing shall pass after this request."""
        if self.mute_after is None or self.mute_after not in request:
            return False
        self.mute_after = None
        self.muted += 1
        return True

    def allowed_of(self, answer: bytes) -> bytes | None:
        """What may still pass of an answer; None when all of it may."""
        if self.cut_after_bytes is None:
            return None
        if len(answer) < self.cut_after_bytes:
            self.cut_after_bytes -= len(answer)
            return None
        allowed = answer[: self.cut_after_bytes]
        self.cut_after_bytes = None
        self.cut += 1
        return allowed

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=PATIENCE_S)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._accept, _LOOPBACK, 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._reset()

    async def _reset(self) -> None:
        for link in list(self._links):
            link.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            _abort(writer)
            return
        try:
            there = await asyncio.open_connection(_LOOPBACK, self._target())
        except OSError:
            _abort(writer)
            return
        link = _Link(self, (reader, writer), there)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)


class _Link:
    """Two connections, and what passes between them."""

    def __init__(
        self,
        wire: FaultyWire,
        here: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        there: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._wire = wire
        self._here, self._there = here, there
        self._deaf = self._mute = False

    async def run(self) -> None:
        """Until either side ends, or a fault does."""
        pumps = [
            asyncio.create_task(self._requests(self._here[0], self._there[1])),
            asyncio.create_task(self._answers(self._there[0], self._here[1])),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for writer in (self._here[1], self._there[1]):
            writer.close()

    def reset(self) -> None:
        """End both connections with RST."""
        for writer in (self._here[1], self._there[1]):
            _abort(writer)

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if await self._swallows():
                    continue
                self._deaf = self._deaf or self._wire.is_deaf_after(data)
                self._mute = self._wire.is_mute_after(data)
                writer.write(data)
                await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if await self._swallows():
                    continue
                if self._deaf:
                    self.reset()
                    return
                allowed = self._wire.allowed_of(data)
                writer.write(data if allowed is None else allowed)
                await writer.drain()
                if allowed is not None:
                    self.reset()
                    return

    async def _swallows(self) -> bool:
        if self._wire.latency_s:
            await asyncio.sleep(self._wire.latency_s)
        return self._wire.half_open or self._mute


def _abort(writer: asyncio.StreamWriter) -> None:
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None and found.fileno() >= 0:
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
