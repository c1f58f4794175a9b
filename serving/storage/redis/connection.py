"""A bounded pool of connections, with bounded waits, whose failures are Unavailable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import RedisError

from qbrix.errors import Unavailable
from serving.storage.redis.connecting import KINDS
from serving.storage.redis.line import Line

__all__ = ["RedisConnection", "translated"]

_POOL = 32
_LISTENERS = 8
_WAIT_S = 5.0
_CONNECT_S = 2.0


@contextmanager
def translated() -> Iterator[None]:
    """A server that is away, full, loading or read-only is Unavailable to the caller."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(f"Redis: {type(error).__name__}: {error}; try again") from error


class RedisConnection:
    """What intake and channel share.

    A command that met a broken connection is sent again: what that may write twice is counted
    once further down. A listener's connection is never mended behind its back, because it would
    not know what it missed.
    """

    def __init__(self, url: str) -> None:
        self.commands = _client(
            url, size=_POOL, retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 2)
        )
        self.line = Line(self.commands.connection_pool, patience_s=_WAIT_S)
        self.listeners = _client(url, size=_LISTENERS, retry=Retry(NoBackoff(), 0))

    async def command(self, *words: str | bytes | int) -> Any:
        """The server's answer to one command; raises Unavailable."""
        execute: Callable[..., Awaitable[Any]] = self.commands.execute_command
        with translated():
            return await execute(*words)

    async def close(self) -> None:
        """Give all connections back."""
        self.line.close()
        for client in (self.commands, self.listeners):
            await client.aclose(close_connection_pool=True)


def _client(url: str, *, size: int, retry: Retry) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=size,
        timeout=_CONNECT_S,
        socket_timeout=_WAIT_S,
        socket_connect_timeout=_CONNECT_S,
        socket_keepalive=True,
        retry=retry,
        protocol=2,
    )
    pool.connection_class = KINDS.get(pool.connection_class, pool.connection_class)
    return Redis.from_pool(pool)
