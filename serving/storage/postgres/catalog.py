"""`Catalog` over Postgres: tenants, credentials, pools, bundles, control changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import asyncpg

from qbrix.errors import Conflict, NotFound
from serving.storage.audit import audited
from serving.storage.meeting import arms_control, pool_has_changed
from serving.storage.postgres import tables
from serving.storage.postgres.database import Connection, Database
from serving.storage.postgres.experiments import PostgresExperiments, enqueue
from serving.storage.records import ApiKeyRecord, ControlRequest, PoolRecord

__all__ = ["PostgresCatalog"]


class PostgresCatalog(PostgresExperiments):
    """See `serving.storage.base.Catalog`; experiments are in the base class."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)

    async def ping(self) -> None:
        """See `Catalog`."""
        await self._database.fetch("SELECT 1")

    async def create_tenant(self, name: str) -> str:
        """See `Catalog`."""
        rows = await self._database.write(
            "INSERT INTO tenants (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id",
            uuid4().hex,
            name,
        )
        if not rows:
            raise Conflict(f"a tenant named {name!r} exists; choose another name")
        created: str = rows[0]["id"]
        return created

    async def find_tenant(self, name: str) -> str | None:
        """See `Catalog`."""
        row = await self._database.row("SELECT id FROM tenants WHERE name = $1", name)
        return None if row is None else row["id"]

    @audited("api_key.create")
    async def put_api_key(self, record: ApiKeyRecord) -> None:
        """See `Catalog`."""
        await self._database.write(
            "INSERT INTO api_keys (id, tenant, name, key_sha256, scopes, is_active, created_ms,"
            " rate_limit_per_minute, last_used_ms, owner)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
            " ON CONFLICT (key_sha256) DO NOTHING RETURNING id",
            record.id,
            record.tenant,
            record.name,
            record.key_sha256,
            record.scopes,
            record.is_active,
            record.created_ms,
            record.rate_limit_per_minute,
            record.last_used_ms,
            record.owner,
        )

    async def find_api_key(self, key_sha256: str) -> ApiKeyRecord | None:
        """See `Catalog`."""
        row = await self._database.row(
            "SELECT * FROM api_keys WHERE key_sha256 = $1 AND is_active", key_sha256
        )
        return None if row is None else tables.api_key(row)

    async def list_api_keys(self, tenant: str) -> list[ApiKeyRecord]:
        """See `Catalog`."""
        rows = await self._database.fetch(
            "SELECT * FROM api_keys WHERE tenant = $1 ORDER BY place DESC", tenant
        )
        return [tables.api_key(row) for row in rows]

    async def get_api_key(self, tenant: str, key_id: str) -> ApiKeyRecord:
        """See `Catalog`."""
        row = await self._database.row(
            "SELECT * FROM api_keys WHERE id = $1 AND tenant = $2", key_id, tenant
        )
        if row is None:
            raise NotFound("api_key", key_id)
        return tables.api_key(row)

    @audited("api_key.change")
    async def change_api_key(self, record: ApiKeyRecord) -> None:
        """See `Catalog`."""
        changed = await self._database.write(
            "UPDATE api_keys SET name = $3, key_sha256 = $4, scopes = $5, is_active = $6,"
            " rate_limit_per_minute = $7 WHERE id = $1 AND tenant = $2 RETURNING id",
            record.id,
            record.tenant,
            record.name,
            record.key_sha256,
            record.scopes,
            record.is_active,
            record.rate_limit_per_minute,
        )
        if not changed:
            raise NotFound("api_key", record.id)

    @audited("api_key.delete")
    async def delete_api_key(self, tenant: str, key_id: str) -> None:
        """See `Catalog`."""
        deleted = await self._database.write(
            "DELETE FROM api_keys WHERE id = $1 AND tenant = $2 RETURNING id", key_id, tenant
        )
        if not deleted:
            raise NotFound("api_key", key_id)

    async def touch_api_keys(self, used: Mapping[str, int]) -> None:
        """See `Catalog`."""
        await self._database.write(
            "UPDATE api_keys SET last_used_ms = greatest(last_used_ms, at_ms)"
            " FROM unnest($1::text[], $2::bigint[]) AS used (key_id, at_ms) WHERE id = key_id",
            list(used),
            list(used.values()),
        )

    @audited("pool.create")
    async def create_pool(self, pool: PoolRecord) -> None:
        """See `Catalog`."""
        created = await self._database.write(
            "INSERT INTO pools (id, tenant, name, arms, created_ms, updated_ms)"
            " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, name) DO NOTHING RETURNING id",
            pool.id,
            pool.tenant,
            pool.name,
            tables.as_json(pool.arms),
            pool.created_ms,
            pool.updated_ms,
        )
        if not created:
            raise _name_taken(pool.name)

    async def get_pool(self, tenant: str, pool_id: str) -> PoolRecord:
        """See `Catalog`."""
        row = await self._database.row(
            "SELECT * FROM pools WHERE id = $1 AND tenant = $2", pool_id, tenant
        )
        if row is None:
            raise NotFound("pool", pool_id)
        return tables.pool(row)

    async def list_pools(self, tenant: str, *, limit: int, offset: int) -> list[PoolRecord]:
        """See `Catalog`."""
        rows = await self._database.fetch(
            "SELECT * FROM pools WHERE tenant = $1 ORDER BY place DESC LIMIT $2 OFFSET $3",
            tenant,
            limit,
            offset,
        )
        return [tables.pool(row) for row in rows]

    @audited("pool.change")
    async def change_pool(
        self, pool: PoolRecord, *, before: PoolRecord, change: dict[str, Any] | None
    ) -> list[ControlRequest]:
        """See `Catalog`."""
        try:
            async with self._database.transaction() as connection:
                await _store_pool(connection, pool, before=before)
                if change is None:
                    return []
                rows = await connection.fetch(
                    "SELECT id FROM experiments WHERE pool_id = $1 AND NOT deleted ORDER BY place",
                    pool.id,
                )
                return [await enqueue(connection, arms_control(row["id"], change)) for row in rows]
        except asyncpg.UniqueViolationError:
            raise _name_taken(pool.name) from None

    @audited("pool.delete")
    async def delete_pool(self, tenant: str, pool_id: str) -> None:
        """See `Catalog`."""
        async with self._database.transaction() as connection:
            # Waits for an experiment that is being made with this pool.
            found = await connection.fetchrow(
                "SELECT id FROM pools WHERE id = $1 AND tenant = $2 FOR UPDATE", pool_id, tenant
            )
            if found is None:
                raise NotFound("pool", pool_id)
            if await connection.fetchval(
                "SELECT EXISTS (SELECT FROM experiments WHERE pool_id = $1 AND NOT deleted)",
                pool_id,
            ):
                raise Conflict(f"pool {pool_id} has experiments", code="POOL_HAS_EXPERIMENTS")
            await connection.execute("DELETE FROM pools WHERE id = $1", pool_id)

    @audited("bundle.create")
    async def put_bundle(self, tenant: str, sha256: str, data: bytes) -> None:
        """See `Catalog`."""
        await self._database.write(
            "INSERT INTO bundles (tenant, sha256, data) VALUES ($1, $2, $3)"
            " ON CONFLICT DO NOTHING RETURNING sha256",
            tenant,
            sha256,
            data,
        )

    async def get_bundle(self, tenant: str, sha256: str) -> bytes:
        """See `Catalog`."""
        row = await self._database.row(
            "SELECT data FROM bundles WHERE sha256 = $1 AND tenant = $2", sha256, tenant
        )
        if row is None:
            raise NotFound("bundle", sha256)
        data: bytes = row["data"]
        return data

    @audited("experiment.{reason}")
    async def request_control(self, control: ControlRequest) -> ControlRequest:
        """See `Catalog`."""
        async with self._database.transaction() as connection:
            return await enqueue(connection, control)

    async def get_control(self, control_id: int) -> ControlRequest:
        """See `Catalog`."""
        row = await self._database.row("SELECT * FROM controls WHERE id = $1", control_id)
        if row is None:
            raise NotFound("control", str(control_id))
        return tables.control(row)

    async def cancel_control(self, control_id: int) -> bool:
        """See `Catalog`."""
        rows = await self._database.write(
            "UPDATE controls SET status = 'cancelled' WHERE id = $1 AND status = 'pending'"
            " RETURNING id",
            control_id,
        )
        return bool(rows)


async def _store_pool(connection: Connection, pool: PoolRecord, *, before: PoolRecord) -> None:
    # An experiment that is being made with this pool is waited for.
    stored = await connection.fetchrow(
        "SELECT * FROM pools WHERE id = $1 AND tenant = $2 FOR UPDATE", pool.id, pool.tenant
    )
    if stored is None:
        raise NotFound("pool", pool.id)
    if tables.pool(stored) != before:
        raise pool_has_changed(pool)
    await connection.execute(
        "UPDATE pools SET name = $2, arms = $3, updated_ms = $4 WHERE id = $1",
        pool.id,
        pool.name,
        tables.as_json(pool.arms),
        pool.updated_ms,
    )


def _name_taken(name: str) -> Conflict:
    return Conflict(f"a pool named {name!r} exists; choose another name")
