"""The catalog's experiments over Postgres."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import msgspec

from qbrix.errors import Conflict, NotFound
from serving.storage import audit, codec
from serving.storage.audit import audited
from serving.storage.meeting import check_arms, check_unchanged, gate_has_changed
from serving.storage.postgres import tables
from serving.storage.postgres.batches import store_batches
from serving.storage.postgres.database import Connection, Database
from serving.storage.records import (
    CommittedBatch,
    ControlRequest,
    ExperimentRecord,
    PoolRecord,
    StateRecord,
)
from serving.storage.records_gates import GateRecord

__all__ = ["PostgresExperiments", "enqueue"]


# A row's xmin is the transaction that wrote it.
_STAMP = "concat(experiments.xmin, '/', pools.xmin)"


class PostgresExperiments:
    """The part of `serving.storage.base.Catalog` that concerns experiments."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @audited("experiment.create")
    async def create_experiment(
        self, record: ExperimentRecord, *, creation: CommittedBatch, state: StateRecord
    ) -> None:
        """See `Catalog`."""
        try:
            async with self._database.transaction() as connection:
                check_arms(await _keep_pool(connection, record), creation)
                await _insert(connection, record)
                await store_batches(connection, [(record.id, creation)])
                await connection.execute(
                    "INSERT INTO snapshots (experiment, version, data) VALUES ($1, $2, $3)",
                    record.id,
                    state.version,
                    codec.pack_state(state),
                )
        except asyncpg.UniqueViolationError:
            raise _name_taken(record) from None

    async def get_experiment(self, tenant: str, experiment: str) -> ExperimentRecord:
        """See `Catalog`."""
        row = await self._database.row(
            "SELECT * FROM experiments WHERE id = $1 AND tenant = $2 AND NOT deleted",
            experiment,
            tenant,
        )
        if row is None:
            raise NotFound("experiment", experiment)
        return tables.experiment(row)

    async def find_experiment(
        self, experiment: str
    ) -> tuple[ExperimentRecord, PoolRecord, str] | None:
        """See `Catalog`."""
        row = await self._database.row(
            f"SELECT experiments.*, {_STAMP} AS stamp,"
            " pools.name AS pool_name, pools.arms AS pool_arms,"
            " pools.created_ms AS pool_created_ms, pools.updated_ms AS pool_updated_ms"
            " FROM experiments JOIN pools ON pools.id = pool_id"
            " WHERE experiments.id = $1 AND NOT deleted",
            experiment,
        )
        if row is None:
            return None
        return tables.experiment(row), tables.pool(row, prefix="pool_"), row["stamp"]

    async def stamps(self, experiments: Sequence[str]) -> list[str | None]:
        """See `Catalog`."""
        rows = await self._database.fetch(
            f"SELECT experiments.id, {_STAMP} AS stamp"
            " FROM experiments JOIN pools ON pools.id = pool_id"
            " WHERE experiments.id = ANY($1::text[]) AND NOT deleted",
            list(experiments),
        )
        found = {row["id"]: row["stamp"] for row in rows}
        return [found.get(experiment) for experiment in experiments]

    async def list_experiments(
        self,
        tenant: str,
        *,
        limit: int,
        offset: int,
        search: str | None = None,
        enabled: bool | None = None,
        pool_id: str | None = None,
    ) -> list[ExperimentRecord]:
        """See `Catalog`."""
        rows = await self._database.fetch(
            "SELECT * FROM experiments WHERE tenant = $1 AND NOT deleted"
            " AND ($4::text IS NULL OR strpos(lower(name), lower($4)) > 0)"
            " AND ($5::boolean IS NULL OR enabled = $5)"
            " AND ($6::text IS NULL OR pool_id = $6)"
            " ORDER BY place DESC LIMIT $2 OFFSET $3",
            tenant,
            limit,
            offset,
            search,
            enabled,
            pool_id,
        )
        return [tables.experiment(row) for row in rows]

    @audited("experiment.change")
    async def change_experiment(
        self,
        record: ExperimentRecord,
        *,
        before: ExperimentRecord,
        control: ControlRequest | None = None,
    ) -> ControlRequest | None:
        """See `Catalog`."""
        try:
            async with self._database.transaction() as connection:
                await _update(connection, record, before=before)
                return None if control is None else await enqueue(connection, control)
        except asyncpg.UniqueViolationError:
            raise _name_taken(record) from None

    @audited("gate.change")
    async def put_gate(
        self, tenant: str, experiment: str, gate: GateRecord | None, *, expected: int | None
    ) -> None:
        """See `Catalog`."""
        stored = await self._database.write(
            "UPDATE experiments SET gate = $3 WHERE id = $1 AND tenant = $2 AND NOT deleted"
            " AND (gate->>'version')::bigint IS NOT DISTINCT FROM $4 RETURNING id",
            experiment,
            tenant,
            None if gate is None else tables.as_json(gate),
            expected,
        )
        if not stored:
            await self.get_experiment(tenant, experiment)
            raise gate_has_changed(experiment)

    @audited("experiment.delete")
    async def delete_experiment(self, tenant: str, experiment: str) -> None:
        """See `Catalog`."""
        deleted = await self._database.write(
            "UPDATE experiments SET deleted = true"
            " WHERE id = $1 AND tenant = $2 AND NOT deleted RETURNING id",
            experiment,
            tenant,
        )
        if not deleted:
            raise NotFound("experiment", experiment)


async def enqueue(connection: Connection, control: ControlRequest) -> ControlRequest:
    """Store a pending control change; returns it with its id."""
    request_id = control.request_id or audit.request_id()
    control_id: int = await connection.fetchval(
        "INSERT INTO controls (experiment, reason, change, start, status, outcome, request_id)"
        " VALUES ($1, $2, $3, $4, 'pending', '{}', $5) RETURNING id",
        control.experiment,
        control.reason,
        tables.as_json(control.change),
        control.start,
        request_id,
    )
    return msgspec.structs.replace(
        control, id=control_id, status="pending", outcome={}, request_id=request_id
    )


async def _keep_pool(connection: Connection, record: ExperimentRecord) -> PoolRecord:
    """The pool, which cannot be changed or deleted before this transaction ends."""
    found = await connection.fetchrow(
        "SELECT * FROM pools WHERE id = $1 AND tenant = $2 FOR SHARE",
        record.pool_id,
        record.tenant,
    )
    if found is None:
        raise NotFound("pool", record.pool_id)
    return tables.pool(found)


async def _insert(connection: Connection, record: ExperimentRecord) -> None:
    await connection.execute(
        "INSERT INTO experiments (id, tenant, name, pool_id, shard, policy, parameters, dim,"
        " enabled, floor, bundle, support, reward_range, context_schema, gate, created_ms,"
        " updated_ms, window_s, default_reward, aggregation)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,"
        " $18, $19, $20)",
        record.id,
        record.tenant,
        record.name,
        record.pool_id,
        record.shard,
        record.policy,
        tables.as_json(record.parameters),
        record.dim,
        record.enabled,
        record.floor,
        record.bundle,
        record.support,
        record.reward_range,
        None if record.context_schema is None else tables.as_json(record.context_schema),
        None if record.gate is None else tables.as_json(record.gate),
        record.created_ms,
        record.updated_ms,
        record.window_s,
        record.default_reward,
        record.aggregation,
    )


async def _update(
    connection: Connection, record: ExperimentRecord, *, before: ExperimentRecord
) -> None:
    # A lock that does not wait for cortex, whose steps refer to the experiment.
    stored = await connection.fetchrow(
        "SELECT * FROM experiments WHERE id = $1 AND tenant = $2 AND NOT deleted FOR NO KEY UPDATE",
        record.id,
        record.tenant,
    )
    if stored is None:
        raise NotFound("experiment", record.id)
    check_unchanged(tables.experiment(stored), before)
    await connection.execute(
        "UPDATE experiments SET name = $2, parameters = $3, enabled = $4, floor = $5,"
        " reward_range = $6, updated_ms = $7, window_s = $8, default_reward = $9,"
        " aggregation = $10 WHERE id = $1",
        record.id,
        record.name,
        tables.as_json(record.parameters),
        record.enabled,
        record.floor,
        record.reward_range,
        record.updated_ms,
        record.window_s,
        record.default_reward,
        record.aggregation,
    )


def _name_taken(record: ExperimentRecord) -> Conflict:
    return Conflict(f"an experiment named {record.name!r} exists; choose another name")
