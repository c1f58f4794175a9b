"""`Ledger` over Postgres."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import groupby
from operator import itemgetter

from qbrix.errors import Conflict, NotFound, Unavailable
from serving.storage import codec
from serving.storage.postgres import counted, tables
from serving.storage.postgres.batches import read_batch, read_rows
from serving.storage.postgres.database import Connection, Database
from serving.storage.postgres.step import PostgresStep
from serving.storage.records import (
    CommittedBatch,
    ControlRequest,
    DecisionEvent,
    ExperimentRecord,
    Key,
    Promotion,
    StateRecord,
)
from serving.storage.rows import is_id, row_decision

__all__ = ["PostgresLedger"]

# How long a session may be silent in a step: while it folds, when it holds nothing that anybody
# waits for, and from its first write on. The second is no longer than a lease, so that a process
# that hangs does not keep the shard from its successor.
_FOLDING, _WRITING = "60s", "4s"
_WHOLE_TIMEOUT_SINCE = 17  # version of Postgres
# Inside a COPY not even that ends a session which waits for rows: the writer gives up by itself,
# and when it is paused itself, a successor ends its session.
_PATIENCE_S = 5.0
_WRITES = zlib.crc32(b"qbrix.step") >> 1  # advisory locks that say which sessions write a shard


class PostgresLedger:
    """See `serving.storage.base.Ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def acquire(self, shard: int, *, holder: str, ttl_s: float) -> int | None:
        """See `Ledger`; single statements, so that nobody can hang while it holds the row.

        A holder whose lease is over but who still writes is paused, for others would have renewed
        it: its session is ended, whatever it waits for.
        """
        ttl = timedelta(seconds=ttl_s)
        if rows := await self._database.write(_RENEW, shard, holder, ttl):
            return int(rows[0]["term"])
        found = await self._database.row(_IS_OVER, shard)
        if found is None:
            await self._database.write(_FIRST, shard)
        elif not found["over"]:
            return None
        rows = await self._database.write(_TAKE, shard, holder, ttl)
        if not rows and await self._database.write(_EVICT, shard, _WRITES):
            rows = await self._database.write(_TAKE, shard, holder, ttl)
        return int(rows[0]["term"]) if rows else None

    async def release(self, shard: int, *, holder: str) -> None:
        """See `Ledger`."""
        await self._database.write(
            "UPDATE leases SET expires_at = clock_timestamp() WHERE shard = $1 AND holder = $2",
            shard,
            holder,
        )

    @asynccontextmanager
    async def step(self, shard: int, *, term: int) -> AsyncIterator[PostgresStep]:
        """See `Ledger`; nobody takes over while it writes, as long as its lease is renewed."""
        async with self._database.transaction() as connection:
            await _check_term(connection, shard, term=term)
            await _limit_silence(connection, _FOLDING)

            async def begin_writing() -> None:
                await _limit_writing(connection)
                await _keep_term(connection, shard, term=term)

            step = PostgresStep(connection, begin_writing)
            yield step
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await step.flush()
            except TimeoutError:
                connection.terminate()  # a rollback would wait for the same silence
                raise Unavailable("Postgres fell silent in the middle of a step") from None

    async def known(self, keys: Sequence[Key]) -> set[Key]:
        """See `Ledger`."""
        return await counted.known(self._database, keys)

    async def marked(self, experiments: Sequence[str]) -> set[str]:
        """See `Ledger`."""
        return await counted.marked(self._database, experiments)

    async def position(self, stream: str) -> tuple[str, str] | None:
        """See `Ledger`."""
        row = await self._database.row("SELECT * FROM positions WHERE stream = $1", stream)
        return None if row is None else (row["incarnation"], row["position"])

    async def shards(self) -> int:
        """See `Ledger`."""
        row = await self._database.row(
            "SELECT COALESCE(max(shard) + 1, 0) AS shards FROM experiments WHERE NOT deleted"
        )
        return 0 if row is None else int(row["shards"])

    async def experiments(self, shard: int) -> list[ExperimentRecord]:
        """See `Ledger`."""
        rows = await self._database.fetch(
            "SELECT * FROM experiments WHERE shard = $1 AND NOT deleted ORDER BY place", shard
        )
        return [tables.experiment(row) for row in rows]

    async def experiment(self, experiment: str) -> ExperimentRecord | None:
        """See `Ledger`."""
        row = await self._database.row(
            "SELECT * FROM experiments WHERE id = $1 AND NOT deleted", experiment
        )
        return None if row is None else tables.experiment(row)

    async def snapshot(self, experiment: str) -> StateRecord | None:
        """See `Ledger`."""
        row = await self._database.row(
            "SELECT data FROM snapshots WHERE experiment = $1", experiment
        )
        return None if row is None else codec.unpack_state(row["data"])

    async def pending_controls(self, shard: int) -> list[ControlRequest]:
        """See `Ledger`."""
        rows = await self._database.fetch(
            "SELECT controls.* FROM controls JOIN experiments ON experiments.id = experiment"
            " WHERE status = 'pending' AND shard = $1 ORDER BY controls.id",
            shard,
        )
        return [tables.control(row) for row in rows]

    async def batches(
        self, experiment: str, *, after: int, limit: int, changes_only: bool = False
    ) -> list[CommittedBatch]:
        """See `Ledger`."""
        heads = await self._database.fetch(
            "SELECT * FROM batches WHERE experiment = $1 AND version > $2"
            " AND NOT ($4 AND control IS NULL) ORDER BY version LIMIT $3",
            experiment,
            after,
            limit,
            changes_only,
        )
        if not heads or changes_only:  # which have no rows
            return [read_batch(head, []) for head in heads]
        rows = await self._database.fetch(
            "SELECT * FROM ledger WHERE experiment = $1 AND version BETWEEN $2 AND $3"
            " AND committed_ms BETWEEN $4 AND $5 ORDER BY version, ordinal",
            experiment,
            heads[0]["version"],
            heads[-1]["version"],
            min(head["committed_ms"] for head in heads),
            max(head["committed_ms"] for head in heads),
        )
        by_version = {
            version: list(group) for version, group in groupby(rows, itemgetter("version"))
        }
        return [read_batch(head, by_version.get(head["version"], [])) for head in heads]

    async def decisions(
        self, experiment: str, *, after: int, limit: int
    ) -> tuple[list[DecisionEvent], int | None]:
        """See `Ledger`."""
        rows = await self._database.fetch(
            "SELECT * FROM decisions WHERE experiment = $1 AND cursor > $2"
            " ORDER BY cursor LIMIT $3",
            experiment,
            after,
            limit,
        )
        following = rows[-1]["cursor"] if len(rows) == limit else None
        return [tables.decision(row) for row in rows], following

    async def find_decision(self, tenant: str, decision_id: str) -> DecisionEvent:
        """See `Ledger`."""
        if not is_id(decision_id):
            raise NotFound("decision", decision_id)
        row = await self._database.row(
            "SELECT decisions.* FROM decisions JOIN experiments ON experiments.id = experiment"
            " WHERE decision_id = $1 AND tenant = $2 ORDER BY cursor LIMIT 1",
            decision_id,
            tenant,
        )
        if row is not None:
            return tables.decision(row)
        return await self._decision_of_feedback(tenant, decision_id)

    async def promotions(self, experiment: str) -> list[Promotion]:
        """See `Ledger`."""
        rows = await self._database.fetch(
            "SELECT version, bundle, certificate FROM promotions WHERE experiment = $1"
            " ORDER BY version",
            experiment,
        )
        return [Promotion(**row) for row in rows]

    async def bundle(self, sha256: str) -> bytes:
        """See `Ledger`."""
        row = await self._database.row("SELECT data FROM bundles WHERE sha256 = $1", sha256)
        if row is None:
            raise NotFound("bundle", sha256)
        data: bytes = row["data"]
        return data

    async def _decision_of_feedback(self, tenant: str, decision_id: str) -> DecisionEvent:
        row = await self._database.row(
            "SELECT ledger.*, context_width, recorded_width"
            " FROM ledger_keys JOIN experiments ON experiments.id = experiment"
            " JOIN ledger USING (experiment, version, ordinal, committed_ms)"
            " JOIN batches USING (experiment, version)"
            " WHERE ledger_keys.decision_id = $1 AND tenant = $2 ORDER BY version LIMIT 1",
            decision_id,
            tenant,
        )
        if row is None:
            raise NotFound("decision", decision_id)
        return row_decision(row["experiment"], read_rows(row, [row]), 0)


_RENEW = (
    "UPDATE leases SET expires_at = clock_timestamp() + $3"
    " WHERE shard = $1 AND holder = $2 RETURNING term"
)
_IS_OVER = "SELECT expires_at <= clock_timestamp() AS over FROM leases WHERE shard = $1"
_TAKE = (
    "WITH free AS (SELECT shard FROM leases WHERE shard = $1 AND expires_at <= clock_timestamp()"
    " FOR UPDATE SKIP LOCKED)"
    " UPDATE leases SET holder = $2, term = term + 1, expires_at = clock_timestamp() + $3"
    " FROM free WHERE leases.shard = free.shard RETURNING term"
)
_FIRST = (
    "INSERT INTO leases (shard, holder, term, expires_at) VALUES ($1, '', 0, clock_timestamp())"
    " ON CONFLICT DO NOTHING"
)
_EVICT = (
    "SELECT pg_terminate_backend(pid, 1000) FROM leases, LATERAL ("
    " SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND database ="
    " (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND classid = $2 AND objid = shard OFFSET 0) AS writer"
    " WHERE shard = $1 AND expires_at <= clock_timestamp()"
)


async def _check_term(connection: Connection, shard: int, *, term: int) -> None:
    """The lease has this term."""
    now: int | None = await connection.fetchval("SELECT term FROM leases WHERE shard = $1", shard)
    _must_be(now, term, shard)


async def _keep_term(connection: Connection, shard: int, *, term: int) -> None:
    """The lease has this term until the transaction ends, or somebody ends the session."""
    now: int | None = await connection.fetchval(
        "SELECT term FROM leases, pg_advisory_xact_lock_shared($2, $1)"
        " WHERE shard = $1 FOR KEY SHARE OF leases",
        shard,
        _WRITES,
    )
    _must_be(now, term, shard)


def _must_be(now: int | None, term: int, shard: int) -> None:
    if now != term:
        raise Conflict(f"shard {shard} is in term {now}, this step belongs to term {term}")


async def _limit_silence(connection: Connection, limit: str) -> None:
    await connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{limit}'")


async def _limit_writing(connection: Connection) -> None:
    """The end of the step is near, or the session's is.

    Between the two messages that make a statement a session is not idle to Postgres, however long
    it hears nothing: only the limit of the whole transaction ends it there.
    """
    await _limit_silence(connection, _WRITING)
    if connection.get_server_version().major >= _WHOLE_TIMEOUT_SINCE:
        await connection.execute(f"SET LOCAL transaction_timeout = '{_WRITING}'")
