"""A pooler in transaction mode, as strict as it can be: each transaction gets another session.

Every client brings one session to the pool by its own sign-in. From then on a client is given the
session that rested longest whenever it begins a transaction, and gives it back when the server
says that it is idle.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

_IDLE = b"I"

Session = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Pooler:
    """What is between clients and server."""

    host: str
    port: int
    resting: deque[Session] = field(default_factory=deque)
    lent: int = 0  # transactions that met another session than the one before
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, remembered for the end."""
        task = asyncio.create_task(self.serve(reader, writer))
        self.serving.add(task)
        self.writers.append(writer)

    async def close(self) -> None:
        """End everybody, and wait until they are gone."""
        for task in self.serving:
            task.cancel()
        await asyncio.gather(*self.serving, return_exceptions=True)
        for writer in self.writers:
            writer.close()
        waits = [writer.wait_closed() for writer in self.writers]
        await asyncio.gather(*waits, return_exceptions=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, for as long as it stays."""
        own = await asyncio.open_connection(self.host, self.port)
        self.writers.append(own[1])
        try:
            await self._sign_in(reader, writer, own)
            self.resting.append(own)
            last = own
            while message := await _message(reader):
                session = self.resting.popleft()
                self.lent += session is not last
                last = session
                session[1].write(message)
                await self._transaction(reader, writer, session)
                self.resting.append(session)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _sign_in(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, own: Session
    ) -> None:
        """Pass everything on until the server is ready for the first query."""
        size = await reader.readexactly(4)
        own[1].write(size + await reader.readexactly(int.from_bytes(size, "big") - 4))
        upstream = asyncio.create_task(_copy(reader, own[1]))
        try:
            await _answers(own[0], writer, until=_IDLE)
        finally:
            upstream.cancel()
            await asyncio.wait({upstream})

    async def _transaction(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: Session
    ) -> None:
        upstream = asyncio.create_task(_copy(reader, session[1]))
        try:
            await _answers(session[0], writer, until=_IDLE)
        finally:
            upstream.cancel()
            await asyncio.wait({upstream})


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while message := await _message(reader):
        writer.write(message)


async def _message(reader: asyncio.StreamReader) -> bytes:
    """One message with its head; nothing at the end."""
    head = await reader.read(1)
    if not head or head == b"X":
        return b""
    size = await reader.readexactly(4)
    return head + size + await reader.readexactly(int.from_bytes(size, "big") - 4)


async def _answers(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, until: bytes
) -> None:
    while message := await _message(reader):
        writer.write(message)
        if message[:1] == b"Z" and message[5:6] == until:
            return
    raise ConnectionError("the server has gone")


@asynccontextmanager
async def pooled(url: str) -> AsyncIterator[tuple[str, Pooler]]:
    """The same database through a pooler, and the pooler."""
    parts = urlsplit(url)
    pooler = Pooler(str(parts.hostname), parts.port or 5432)
    server = await asyncio.start_server(pooler.accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    place = f"{parts.username}:{parts.password}@127.0.0.1:{port}"
    try:
        yield urlunsplit(parts._replace(netloc=place, query="sslmode=disable")), pooler
    finally:
        server.close()
        await pooler.close()
