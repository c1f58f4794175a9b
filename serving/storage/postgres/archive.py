"""`Archive` over Postgres."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from qbrix.errors import NotFound
from serving.storage.base_archive import Retention, Tended
from serving.storage.months import month_start_ms
from serving.storage.postgres.database import Connection, Database
from serving.storage.postgres.restoring import restore
from serving.storage.postgres.sketches import sketch
from serving.storage.records import DeadLetter

__all__ = ["PostgresArchive"]

_LOCK = zlib.crc32(b"qbrix.tend")
_AHEAD_MS = 31 * 86_400_000
_TOGETHER = 20_000
_PATIENCE_S = 5.0  # of one round in a table; the next one goes on

_PRUNE = """
DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE {key} < $1 LIMIT $2))
RETURNING 1
"""

_PARTS = """
SELECT inhrelid::regclass::text AS name FROM pg_inherits
WHERE inhparent = $1::text::regclass ORDER BY name
"""

# A batch goes when a snapshot holds what it made; the last one says where the ledger is.
_FORGET_BATCHES = """
DELETE FROM batches USING snapshots WHERE batches.experiment = snapshots.experiment
    AND batches.version < snapshots.version AND committed_ms < $1
"""
_NEEDED = """
SELECT count(*) FROM snapshots JOIN batches USING (experiment)
WHERE batches.version > snapshots.version AND committed_ms < $1
"""

_LETTERS = """
SELECT id, experiment, reason, payload, (extract(epoch FROM buried_at) * 1000)::bigint AS buried_ms,
    (extract(epoch FROM redriven_at) * 1000)::bigint AS redriven_ms
FROM dead_letters
"""


class PostgresArchive:
    """See `serving.storage.base_archive.Archive`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tend(self, keep: Retention, *, now_ms: int, unread_ms: int | None = None) -> Tended:
        """See `Archive`; locks are given up rather than waited for."""
        async with self._alone() as alone:
            if not alone:
                return Tended()
            done = Tended(partitions=await self._make_partitions(now_ms))
            done = replace(done, pruned_keys=await self._prune_keys(now_ms - keep.keys_ms))
            if keep.decisions_ms is not None:
                edge_ms = month_start_ms(now_ms - keep.decisions_ms)
                gone = await self._drop("decisions", "decided_ms", edge_ms)
                done = replace(done, dropped=done.dropped + gone)
            if keep.ledger_ms is not None:
                gone = await self._drop_ledger(month_start_ms(now_ms - keep.ledger_ms))
                done = replace(done, dropped=done.dropped + gone)
            until_ms = keep.restore_until(now_ms, unread_ms)
            restored = await restore(self._database, until_ms=until_ms)
            sketched = await sketch(self._database, now_ms=now_ms)
            return replace(done, restored=restored, sketched=sketched)

    async def decisions_lost(self) -> int:
        """See `Archive`."""
        row = await self._database.row(
            "SELECT coalesce(sum(last - archived), 0)::bigint AS lost FROM decision_numbers"
        )
        return 0 if row is None else int(row["lost"])

    async def dead_letters(
        self, experiment: str | None, *, limit: int, before: int | None = None
    ) -> list[DeadLetter]:
        """See `Archive`."""
        rows = await self._database.fetch(
            _LETTERS + " WHERE ($1::text IS NULL OR experiment = $1)"
            " AND ($2::bigint IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
            experiment,
            before,
            limit,
        )
        return [DeadLetter(**row) for row in rows]

    async def dead_letter(self, letter_id: int) -> DeadLetter:
        """See `Archive`."""
        row = await self._database.row(_LETTERS + " WHERE id = $1", letter_id)
        if row is None:
            raise NotFound("dead letter", str(letter_id))
        return DeadLetter(**row)

    async def mark_redriven(self, letter_ids: Sequence[int]) -> None:
        """See `Archive`."""
        await self._database.write(
            "UPDATE dead_letters SET redriven_at = now()"
            " WHERE id = ANY ($1::bigint[]) AND redriven_at IS NULL",
            list(letter_ids),
        )

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[bool]:
        """Whether nobody else tends now, for the time of a transaction that does nothing else."""
        async with self._database.transaction() as connection:
            # Who hangs in the middle does not keep everybody else from it.
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '5min'")
            yield await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK)

    @asynccontextmanager
    async def _briefly(self) -> AsyncIterator[Connection]:
        """A transaction on tables that others write to: it waits for no lock."""
        async with self._database.transaction() as connection:
            await connection.execute("SET LOCAL lock_timeout = '2s'")
            yield connection

    async def _make_partitions(self, now_ms: int) -> tuple[str, ...]:
        made = []
        for table in ("ledger", "decisions"):
            for at_ms in (now_ms, now_ms + _AHEAD_MS):
                async with self._briefly() as connection:
                    name = await connection.fetchval("SELECT make_partition($1, $2)", table, at_ms)
                made += [name] if name else []
        return tuple(made)

    async def _prune_keys(self, before_ms: int) -> int:
        pruned = 0
        for row in await self._database.fetch(_PARTS, "ledger_keys"):
            pruned += await self._prune(row["name"], "committed_ms", before_ms)
        return pruned

    async def _prune(self, table: str, key: str, before_ms: int) -> int:
        """Delete rows in small transactions."""
        statement = _PRUNE.format(table=table, key=key)
        ends_s, pruned = time.monotonic() + _PATIENCE_S, 0
        while time.monotonic() < ends_s:
            rows = await self._database.write(statement, before_ms, _TOGETHER)
            pruned += len(rows)
            if len(rows) < _TOGETHER:
                break
            await asyncio.sleep(0)
        return pruned

    async def _drop(self, table: str, key: str, edge_ms: int) -> tuple[str, ...]:
        """Drop the months before an edge; the default partition is pruned row by row."""
        dropped = []
        for row in await self._database.fetch(_PARTS, table):
            name, month = row["name"], row["name"].removeprefix(f"{table}_")
            if month.isdigit() and month < f"{datetime.fromtimestamp(edge_ms / 1000, UTC):%Y%m}":
                async with self._briefly() as connection:
                    await connection.execute(f"DROP TABLE {name}")
                dropped.append(name)
        await self._prune(f"{table}_default", key, edge_ms)
        return tuple(dropped)

    async def _drop_ledger(self, edge_ms: int) -> tuple[str, ...]:
        """Only while every snapshot holds what the batches made."""
        async with self._database.transaction() as connection:
            if await connection.fetchval(_NEEDED, edge_ms):
                return ()
            await connection.execute(_FORGET_BATCHES, edge_ms)
        return await self._drop("ledger", "committed_ms", edge_ms)
