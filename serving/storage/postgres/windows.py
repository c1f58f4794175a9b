"""`Windows` over Postgres, and what a step writes about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncpg import Record

from qbrix.ledger import Disposition
from qbrix.ledger.replay import spaced
from serving.storage import codec
from serving.storage.postgres import tables
from serving.storage.postgres.batches import read_rows
from serving.storage.postgres.database import Connection, Database
from serving.storage.records import DecisionEvent, StateRecord
from serving.storage.records_windows import Progress, StoredRow, Window
from serving.storage.rows import row_decision, row_event

__all__ = ["PostgresWindows", "drop_checkpoints", "put_checkpoint", "put_window"]

_BEHIND = """
    AND (decided_ms, decision_id) > ($3, $4::uuid) AND decided_ms BETWEEN $3 AND $5
ORDER BY decided_ms, decision_id LIMIT $6
"""

_DECIDED = (
    "SELECT * FROM decisions WHERE experiment = $1 AND epoch = $2 AND source = 'policy'" + _BEHIND
)

_WAITING = f"""
SELECT * FROM ledger
JOIN (SELECT experiment, version, context_width, recorded_width FROM batches) AS heads
    USING (experiment, version)
WHERE experiment = $1 AND epoch = $2 AND disposition = {int(Disposition.HELD)}
{_BEHIND}
"""

_ROWS = """
SELECT ledger.*, context_width, recorded_width
FROM unnest($2::uuid[]) AS asked (id), LATERAL (
    SELECT version, ordinal, committed_ms FROM ledger_keys
    WHERE decision_id = asked.id AND experiment = $1 OFFSET 0
) AS keys
JOIN ledger ON ledger.experiment = $1 AND ledger.version = keys.version
    AND ledger.ordinal = keys.ordinal AND ledger.committed_ms = keys.committed_ms
JOIN batches ON batches.experiment = $1 AND batches.version = keys.version
ORDER BY ledger.version, ledger.ordinal
"""


class PostgresWindows:
    """See `serving.storage.base_windows.Windows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def windows(self, shard: int) -> list[Window]:
        """See `Windows`."""
        rows = await self._database.fetch(
            "SELECT id, closed_ms, closed_id FROM experiments"
            " LEFT JOIN windows ON windows.experiment = experiments.id"
            " WHERE shard = $1 AND NOT deleted"
            " AND (default_reward IS NOT NULL OR aggregation <> 'first' OR closed_ms IS NOT NULL)",
            shard,
        )
        return [Window(row["id"], _progress(row)) for row in rows]

    async def closing(
        self, experiment: str, *, epoch: int, after: Progress, until_ms: int, limit: int
    ) -> list[DecisionEvent]:
        """See `Windows`."""
        asked = (experiment, epoch, *after, until_ms, limit)
        logged = [tables.decision(row) for row in await self._database.fetch(_DECIDED, *asked)]
        waiting = [
            row_decision(experiment, read_rows(row, [row]), 0)
            for row in await self._database.fetch(_WAITING, *asked)
        ]
        found: dict[Progress, DecisionEvent] = {}
        for event in (*logged, *waiting):
            found.setdefault(Progress(event.decided_ms, event.decision_id), event)
        return [found[place] for place in sorted(found)[:limit]]

    async def rows_of(self, experiment: str, decision_ids: Sequence[str]) -> list[StoredRow]:
        """See `Windows`."""
        rows = await self._database.fetch(_ROWS, experiment, list(decision_ids))
        return [_stored(experiment, row) for row in rows]

    async def checkpoint(self, experiment: str, *, epoch: int, at_most: int) -> StateRecord | None:
        """See `Windows`."""
        row = await self._database.row(
            "SELECT data FROM checkpoints WHERE experiment = $1 AND epoch = $2 AND version <= $3"
            " ORDER BY version DESC LIMIT 1",
            experiment,
            epoch,
            at_most,
        )
        return None if row is None else codec.unpack_state(row["data"])

    async def epoch_start(self, experiment: str, epoch: int) -> int:
        """See `Windows`."""
        row = await self._database.row(
            "SELECT min(version) AS version FROM batches WHERE experiment = $1 AND epoch = $2",
            experiment,
            epoch,
        )
        assert row is not None
        return int(row["version"])


async def put_window(experiment: str, progress: Progress, connection: Connection) -> None:
    """Up to where the windows of an experiment are closed."""
    await connection.execute(
        "INSERT INTO windows (experiment, closed_ms, closed_id) VALUES ($1, $2, $3::uuid)"
        " ON CONFLICT (experiment) DO UPDATE"
        " SET closed_ms = excluded.closed_ms, closed_id = excluded.closed_id",
        experiment,
        *progress,
    )


async def put_checkpoint(state: StateRecord, connection: Connection) -> None:
    """Keep a state beside the latest one, and fewer of the older ones."""
    await connection.execute(
        "INSERT INTO checkpoints (experiment, epoch, version, data) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (experiment, version) DO UPDATE"
        " SET epoch = excluded.epoch, data = excluded.data",
        state.experiment,
        state.epoch,
        state.version,
        codec.pack_state(state),
    )
    rows = await connection.fetch(
        "SELECT version FROM checkpoints WHERE experiment = $1", state.experiment
    )
    await connection.execute(
        "DELETE FROM checkpoints WHERE experiment = $1 AND version <> ALL ($2::bigint[])",
        state.experiment,
        spaced(row["version"] for row in rows),
    )


async def drop_checkpoints(experiment: str, after: int, connection: Connection) -> None:
    """Forget the states that know what was taken back."""
    await connection.execute(
        "DELETE FROM checkpoints WHERE experiment = $1 AND version > $2", experiment, after
    )


def _progress(row: Record) -> Progress | None:
    at_ms: int | None = row["closed_ms"]
    return None if at_ms is None else Progress(at_ms, row["closed_id"].hex)


def _stored(experiment: str, row: Any) -> StoredRow:
    rows = read_rows(row, [row])
    return StoredRow(row_event(experiment, rows, 0), int(row["disposition"]), row["version"])
