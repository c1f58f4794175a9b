"""Bring a database to the schema of this version; safe from many processes at once.

Alembic writes the SQL of the missing revisions and asyncpg runs it in one transaction, so that a
database is never between two revisions and no second driver is needed.
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import asyncpg

from qbrix.errors import Unavailable
from serving.storage.postgres.database import Connection, translated

__all__ = ["current", "head", "migrate"]

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = zlib.crc32(b"qbrix.migrate")
_TIMEOUT_S = 10.0


async def migrate(url: str, *, to: str | None = None) -> str:
    """The revision that the database has afterwards: ``to``, or the newest one."""
    with translated():
        connection = await asyncpg.connect(url, timeout=_TIMEOUT_S, statement_cache_size=0)
        try:
            wanted = to or head()
            if await _revision(connection) == wanted:
                return wanted
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                found = await _revision(connection)
                if found != wanted:
                    await connection.execute(_sql(found, wanted))
            return wanted
        finally:
            await connection.close(timeout=_TIMEOUT_S)


async def current(url: str) -> str | None:
    """The revision that the database has; None before the first."""
    with translated():
        connection = await asyncpg.connect(url, timeout=_TIMEOUT_S, statement_cache_size=0)
        try:
            return await _revision(connection)
        finally:
            await connection.close(timeout=_TIMEOUT_S)


def head() -> str:
    """The newest revision."""
    from alembic.script import ScriptDirectory

    newest = ScriptDirectory(str(_FOLDER)).get_current_head()
    assert newest is not None
    return newest


async def _revision(connection: Connection) -> str | None:
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return revision


def _sql(found: str | None, wanted: str) -> str:
    """The statements from revision ``found`` to ``wanted``."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    script = ScriptDirectory(str(_FOLDER))
    written = io.StringIO()
    environment = EnvironmentContext(
        Config(),
        script,
        fn=lambda revision, _: script._upgrade_revs(wanted, revision),
        as_sql=True,
        starting_rev=found,
        destination_rev=wanted,
    )
    try:
        with environment:
            environment.configure(
                dialect_name="postgresql", output_buffer=written, transactional_ddl=False
            )
            environment.run_migrations()
    except CommandError as error:
        raise Unavailable(
            f"the database is at revision {found!r}, which this version does not know: {error}; "
            "it was used by a newer one"
        ) from error
    return written.getvalue()
