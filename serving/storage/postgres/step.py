"""One transaction of cortex over Postgres: what is written waits, and goes there in bulk."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import asyncpg

from qbrix.errors import Conflict
from serving.failpoints import failpoint
from serving.storage import codec
from serving.storage.base_ledger import AlreadyCounted
from serving.storage.postgres import tables, windows
from serving.storage.postgres.batches import KEY_COLUMNS, ROW_COLUMNS, ledger_copy, store_batches
from serving.storage.postgres.copying import copy_rows
from serving.storage.postgres.database import Connection
from serving.storage.postgres.sums import ARCHIVE_DECISIONS, SUM_REWARDS, reward_sums
from serving.storage.records import (
    CommittedBatch,
    DecisionEvent,
    ExperimentRecord,
    StateRecord,
)
from serving.storage.records_windows import Progress

__all__ = ["PostgresStep"]


class PostgresStep:
    """See `serving.storage.base.LedgerStep`."""

    def __init__(
        self, connection: Connection, begin_writing: Callable[[], Awaitable[None]]
    ) -> None:
        self._connection = connection
        self._begin_writing = begin_writing
        self._batches: list[tuple[str, CommittedBatch]] = []
        self._snapshots: dict[str, StateRecord] = {}
        self._letters: list[tuple[str, str, bytes]] = []
        self._decisions: list[DecisionEvent] = []
        self._positions: dict[str, tuple[str, str]] = {}
        self._later: list[Callable[[Connection], Awaitable[None]]] = []
        self._waiting: list[Callable[[], None]] = []

    async def append(self, experiment: str, committed: CommittedBatch) -> None:
        """See `LedgerStep`."""
        self._batches.append((experiment, committed))

    async def put_snapshot(self, state: StateRecord) -> None:
        """See `LedgerStep`."""
        self._snapshots[state.experiment] = state

    async def put_window(self, experiment: str, progress: Progress) -> None:
        """See `LedgerStep`."""
        self._later.append(partial(windows.put_window, experiment, progress))

    async def put_checkpoint(self, state: StateRecord) -> None:
        """See `LedgerStep`."""
        self._later.append(partial(windows.put_checkpoint, state))

    async def drop_checkpoints(self, experiment: str, *, after: int) -> None:
        """See `LedgerStep`."""
        self._later.append(partial(windows.drop_checkpoints, experiment, after))

    async def settle_control(
        self, control_id: int, *, status: str, outcome: dict[str, Any]
    ) -> bool:
        """See `LedgerStep`."""
        await self._begin_writing()
        settled = await self._connection.fetchval(
            "UPDATE controls SET status = $2, outcome = $3"
            " WHERE id = $1 AND status = 'pending' RETURNING id",
            control_id,
            status,
            tables.as_json(outcome),
        )
        return settled is not None

    async def put_promotion(
        self, experiment: str, *, version: int, bundle: str, certificate: str
    ) -> None:
        """See `LedgerStep`."""
        await self._connection.execute(
            "INSERT INTO promotions (experiment, version, bundle, certificate)"
            " VALUES ($1, $2, $3, $4)",
            experiment,
            version,
            bundle,
            certificate,
        )

    async def put_policy(self, record: ExperimentRecord) -> None:
        """See `LedgerStep`."""
        await self._connection.execute(
            "UPDATE experiments SET policy = $2, parameters = $3, bundle = $4, support = $5,"
            " floor = $6, reward_range = $7, window_s = $8, default_reward = $9,"
            " aggregation = $10 WHERE id = $1",
            record.id,
            record.policy,
            tables.as_json(record.parameters),
            record.bundle,
            record.support,
            record.floor,
            record.reward_range,
            record.window_s,
            record.default_reward,
            record.aggregation,
        )

    async def bury(self, experiment: str, *, reason: str, payload: bytes) -> None:
        """See `LedgerStep`."""
        self._letters.append((experiment, reason, payload))

    async def put_decisions(self, decisions: Sequence[DecisionEvent]) -> None:
        """See `LedgerStep`."""
        self._decisions += decisions

    async def move(self, stream: str, *, incarnation: str, position: str) -> None:
        """See `LedgerStep`."""
        self._positions[stream] = (incarnation, position)

    def meanwhile(self, begin: Callable[[], None]) -> None:
        """See `LedgerStep`."""
        self._waiting.append(begin)

    async def flush(self) -> None:
        """Write what waits; the caller commits."""
        await self._begin_writing()
        try:
            await self._write_batches()
        except asyncpg.UniqueViolationError as error:
            raise Conflict(f"somebody else has written to the ledger: {error}") from error
        failpoint("ledger.after_rows")
        self._let_others_work()
        await self._write_snapshots()
        await self._write_decisions()
        for write in self._later:
            await write(self._connection)
        await self._connection.executemany(
            "INSERT INTO dead_letters (experiment, reason, payload) VALUES ($1, $2, $3)",
            self._letters,
        )
        await self._connection.executemany(
            "INSERT INTO positions (stream, incarnation, position) VALUES ($1, $2, $3)"
            " ON CONFLICT (stream) DO UPDATE"
            " SET incarnation = excluded.incarnation, position = excluded.position",
            [(stream, *place) for stream, place in self._positions.items()],
        )
        failpoint("ledger.before_commit")

    async def _write_batches(self) -> None:
        if not self._batches:
            return
        await self._check_next()
        await store_batches(self._connection, self._batches)
        failpoint("ledger.after_batches")
        taught = [(name, made.batch.rows) for name, made in self._batches if made.batch.rows]
        if not taught:
            return
        try:
            await self._copy("ledger_keys", KEY_COLUMNS)
        except asyncpg.UniqueViolationError as error:
            raise AlreadyCounted(f"the ledger has a reward already: {error.detail}") from error
        failpoint("ledger.after_keys")
        await self._copy("ledger", ROW_COLUMNS)
        await self._connection.execute(SUM_REWARDS, *reward_sums(taught))

    async def _copy(self, table: str, columns: Sequence[str]) -> None:
        rows = ledger_copy(self._batches, columns)
        await copy_rows(self._connection, table, rows, columns=columns, sent=self._let_others_work)

    def _let_others_work(self) -> None:
        waiting, self._waiting = self._waiting, []
        for begin in waiting:
            begin()

    async def _check_next(self) -> None:
        """Each experiment goes on where its ledger ends."""
        versions: defaultdict[str, list[int]] = defaultdict(list)
        for experiment, committed in self._batches:
            versions[experiment].append(committed.batch.version)
        rows = await self._connection.fetch(
            "SELECT asked.experiment, (SELECT max(version) FROM batches"
            " WHERE batches.experiment = asked.experiment) AS last"
            " FROM unnest($1::text[]) AS asked (experiment)",
            list(versions),
        )
        for row in rows:
            made = versions[row["experiment"]]
            after = -1 if row["last"] is None else row["last"]
            if made != list(range(after + 1, after + 1 + len(made))):
                raise Conflict(
                    f"experiment {row['experiment']} is at version {after}, "
                    f"the batches make the versions {made}"
                )

    async def _write_snapshots(self) -> None:
        states = self._snapshots.values()
        await self._connection.executemany(
            "INSERT INTO snapshots (experiment, version, data) VALUES ($1, $2, $3)"
            " ON CONFLICT (experiment) DO UPDATE"
            " SET version = excluded.version, data = excluded.data",
            [(state.experiment, state.version, codec.pack_state(state)) for state in states],
        )

    async def _write_decisions(self) -> None:
        if not self._decisions:
            return
        columns = zip(*(_decision_row(event) for event in self._decisions), strict=True)
        await self._connection.execute(ARCHIVE_DECISIONS, *columns)


def _decision_row(event: DecisionEvent) -> tuple[Any, ...]:
    return (
        event.proxy,
        event.number,
        event.experiment,
        event.context_id,
        event.epoch,
        event.decision_id,
        event.arm,
        event.u,
        event.low,
        event.propensity,
        event.version,
        event.source,
        event.context,
        event.decided_ms,
        event.sampling,
        struct.pack(f"<{len(event.recorded)}d", *event.recorded),
    )
