"""Commands on a connection of their own, one behind another; each is answered in one line.

The library connects and logs in, with all its care. What its clients do for every command (a place
in a pool, two time limits, a task, a parser) takes five times as long as the exchange itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as Broken

from serving.storage.redis.connecting import Honest

__all__ = ["Line"]

Word = str | bytes | int


class Line:
    """Opened when it is needed, and again when it broke or was silent for ``patience_s``."""

    def __init__(self, pool: ConnectionPool, *, patience_s: float) -> None:
        self._pool = pool
        self._patience_s = patience_s
        self._opening = asyncio.Lock()
        self._exchange: _Exchange | None = None

    async def ask(self, *words: Word) -> bytes:
        """The answer, with the sign it begins with; raises a RedisError where none came.

        Who stops waiting hangs up: an answer that nobody expects would be taken for the next one.
        """
        exchange = self._exchange
        if exchange is None or exchange.ended:
            exchange = await self._open()
        try:
            return await exchange.send(_packed(words))
        except asyncio.CancelledError:
            exchange.hang_up()
            raise

    def close(self) -> None:
        """Whoever still waits is told."""
        if self._exchange is not None:
            self._exchange.hang_up()

    async def _open(self) -> _Exchange:
        async with self._opening:
            if self._exchange is None or self._exchange.ended:
                make: Callable[[], Honest] = self._pool.make_connection
                connection = make()
                connect: Callable[[], Awaitable[None]] = connection.connect
                await connect()
                self._exchange = _Exchange(connection, patience_s=self._patience_s)
            return self._exchange


class _Exchange(asyncio.Protocol):
    """One open connection until it breaks."""

    def __init__(self, connection: Honest, *, patience_s: float) -> None:
        self._patience_s = patience_s
        self._oldest: object = None
        self._connection = connection
        self._transport = connection.hand_over(self)
        self._awaited: deque[asyncio.Future[bytes]] = deque()
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self._look()

    def send(self, command: bytes) -> asyncio.Future[bytes]:
        """What will be the answer."""
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._awaited.append(answer)
        self._transport.write(command)
        return answer

    @property
    def ended(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport.is_closing()

    def hang_up(self) -> None:
        """At once."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answers come in the order of the commands."""
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        for line in lines:
            if not self._awaited:
                self.hang_up()
                return
            answer = self._awaited.popleft()
            if not answer.done():
                answer.set_result(line)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody will be answered any more."""
        self._looking.cancel()
        self._connection.forget()
        for answer in self._awaited:
            if not answer.done():
                answer.set_exception(Broken(f"the connection broke: {exc}"))

    def _look(self) -> None:
        """Hang up if who waited at the last look still waits: no command needs a timer then."""
        oldest = self._awaited[0] if self._awaited else None
        if oldest is not None and oldest is self._oldest:
            self.hang_up()
        self._oldest = oldest
        self._looking = self._loop.call_later(self._patience_s, self._look)


def _packed(words: tuple[Word, ...]) -> bytes:
    pieces = [b"*%d\r\n" % len(words)]
    for word in words:
        raw = word if isinstance(word, bytes) else str(word).encode()
        pieces.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(pieces)
