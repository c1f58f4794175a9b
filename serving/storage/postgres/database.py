"""A bounded pool of connections to Postgres; what is away or busy is Unavailable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from qbrix.errors import Unavailable
from serving.storage import audit
from serving.storage.records_accounts import AuditRecord

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection = Pool = Any

__all__ = ["Connection", "Database", "translated"]

_POOL = 16
_CONNECT_S = 5.0
_COMMAND_S = 30.0

# Classes of SQLSTATE that pass: connection, transaction rollback, resources, operator's doing,
# system; and single codes: read-only server, session ended while idle or for taking too long, lock
# not available.
_PASSING_CLASSES = ("08", "40", "53", "57", "58")
_PASSING = ("25006", "25P03", "25P04", "55P03")
_NO_TABLE = "42P01"
_BROKEN = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
)


@contextmanager
def translated() -> Iterator[None]:
    """Failures that will pass are Unavailable; all others are bugs and stay what they are."""
    try:
        yield
    except asyncpg.PostgresError as error:
        state = error.sqlstate or ""
        if state == _NO_TABLE:
            message = f"Postgres: {error}; bring its schema up to date with `qbrix migrate`"
            raise Unavailable(message) from error
        if state[:2] in _PASSING_CLASSES or state in _PASSING:
            raise Unavailable(f"Postgres: {type(error).__name__}: {error}") from error
        raise
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError):  # an argument that the driver cannot encode
            raise
        raise Unavailable(f"Postgres: {error}") from error
    except (OSError, TimeoutError, asyncpg.InternalClientError) as error:
        # The driver's internal error: a connection that broke in the middle of an exchange.
        raise Unavailable(f"Postgres: {type(error).__name__}: {error}") from error


class Database:
    """Statements, each in a transaction of its own, and transactions of several.

    A connection may be a pgbouncer's, which lends another session to each transaction: there are
    no prepared statements (``statement_cache_size=0``) and no locks of a session, and settings are
    made with ``SET LOCAL`` only.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: Pool | None = None

    async def open(self) -> None:
        """Connections are made when they are needed, so that a role starts before its store."""
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=_POOL,
            timeout=_CONNECT_S,
            command_timeout=_COMMAND_S,
            statement_cache_size=0,
            reset=_leave_as_it_is,
        )

    async def close(self) -> None:
        """End every connection, those that hang the hard way."""
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(_CONNECT_S):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def fetch(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """All rows; a read that met a broken connection is tried again on a new one."""
        try:
            return await self._fetch(sql, *arguments)
        except Unavailable as error:
            if not isinstance(error.__cause__, _BROKEN) or self._pool is None:
                raise
            await self._pool.expire_connections()
            return await self._fetch(sql, *arguments)

    async def row(self, sql: str, *arguments: Any) -> asyncpg.Record | None:
        """The first row of a read."""
        rows = await self.fetch(sql, *arguments)
        return rows[0] if rows else None

    async def write(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """What one statement returns; it is not tried again.

        What returns nothing changed nothing: there is nothing to note then.
        """
        if not (records := audit.take()):
            return await self._fetch(sql, *arguments)
        async with self._connection() as connection, connection.transaction():
            rows = await connection.fetch(sql, *arguments)
            if rows:
                await _note(connection, records)
            return rows

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: committed on leaving, or nothing of it."""
        async with self._connection() as connection, connection.transaction():
            yield connection
            await _note(connection, audit.take())

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        assert self._pool is not None, "open() the database first"
        with translated():
            async with self._pool.acquire(timeout=_CONNECT_S) as connection:
                yield connection

    async def _fetch(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        async with self._connection() as connection:
            return await connection.fetch(sql, *arguments)


async def _leave_as_it_is(connection: Connection) -> None:
    """Nothing is ever set on a session, so that there is nothing to undo."""


async def _note(connection: Connection, records: Iterable[AuditRecord]) -> None:
    for record in records:
        await connection.execute(
            "INSERT INTO audit (tenant, at_ms, user_id, key_id, action, subject, request_id)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7)",
            record.tenant,
            record.at_ms,
            record.user,
            record.key,
            record.action,
            record.subject,
            record.request_id,
        )
