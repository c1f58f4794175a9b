"""What there is to know about a Postgres before it is trusted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from serving.storage.clocks import ClockOffset
from serving.storage.postgres.database import translated

__all__ = ["PostgresFacts", "examine_postgres"]

_TIMEOUT_S = 10.0
_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit", "max_connections")


@dataclass(frozen=True, kw_only=True, slots=True)
class PostgresFacts:
    """``version`` as Postgres numbers it (180003); its clock beside that of this machine."""

    version: int
    settings: Mapping[str, str]
    read_only: bool
    connections: int
    clock: ClockOffset


async def examine_postgres(url: str) -> PostgresFacts:
    """Raises Unavailable."""
    with translated():
        connection = await asyncpg.connect(url, timeout=_TIMEOUT_S, statement_cache_size=0)
        try:
            rows = await connection.fetch(
                "SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])",
                [*_SETTINGS, "server_version_num", "transaction_read_only"],
            )
            found = {row["name"]: row["setting"] for row in rows}
            connections = await connection.fetchval("SELECT count(*) FROM pg_stat_activity")
            asked_s = time.time()
            clock = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())")
            answered_s = time.time()
        finally:
            await connection.close(timeout=_TIMEOUT_S)
    return PostgresFacts(
        version=int(found["server_version_num"]),
        settings={name: found[name] for name in _SETTINGS},
        read_only=found["transaction_read_only"] == "on",
        connections=int(connections),
        clock=ClockOffset.read(float(clock), asked_s=asked_s, answered_s=answered_s),
    )
