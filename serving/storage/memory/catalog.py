"""`Catalog` in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from uuid import uuid4

import msgspec

from qbrix.errors import Conflict, NotFound
from serving.storage.audit import audited
from serving.storage.meeting import (
    arms_control,
    check_arms,
    check_unchanged,
    gate_has_changed,
    pool_has_changed,
)
from serving.storage.memory.world import World
from serving.storage.records import (
    ApiKeyRecord,
    CommittedBatch,
    ControlRequest,
    ExperimentRecord,
    PoolRecord,
    StateRecord,
)
from serving.storage.records_gates import GateRecord

__all__ = ["MemoryCatalog"]

replace = msgspec.structs.replace


class MemoryCatalog:
    """See `serving.storage.base.Catalog`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.audit_trail = world.audit

    async def ping(self) -> None:
        """Memory answers."""

    async def create_tenant(self, name: str) -> str:
        """See `Catalog`."""
        if name in self._world.tenants:
            raise Conflict(f"a tenant named {name!r} exists; choose another name")
        return self._world.tenants.setdefault(name, uuid4().hex)

    async def find_tenant(self, name: str) -> str | None:
        """See `Catalog`."""
        return self._world.tenants.get(name)

    @audited("api_key.create")
    async def put_api_key(self, record: ApiKeyRecord) -> None:
        """See `Catalog`."""
        if all(key.key_sha256 != record.key_sha256 for key in self._world.api_keys.values()):
            self._world.api_keys[record.id] = record

    async def find_api_key(self, key_sha256: str) -> ApiKeyRecord | None:
        """See `Catalog`."""
        keys = self._world.api_keys.values()
        return next((key for key in keys if key.key_sha256 == key_sha256 and key.is_active), None)

    async def list_api_keys(self, tenant: str) -> list[ApiKeyRecord]:
        """See `Catalog`."""
        return [key for key in reversed(self._world.api_keys.values()) if key.tenant == tenant]

    async def get_api_key(self, tenant: str, key_id: str) -> ApiKeyRecord:
        """See `Catalog`."""
        found = self._world.api_keys.get(key_id)
        if found is None or found.tenant != tenant:
            raise NotFound("api_key", key_id)
        return found

    @audited("api_key.change")
    async def change_api_key(self, record: ApiKeyRecord) -> None:
        """See `Catalog`."""
        stored = await self.get_api_key(record.tenant, record.id)
        self._world.api_keys[record.id] = replace(
            stored,
            name=record.name,
            key_sha256=record.key_sha256,
            scopes=record.scopes,
            is_active=record.is_active,
            rate_limit_per_minute=record.rate_limit_per_minute,
        )

    @audited("api_key.delete")
    async def delete_api_key(self, tenant: str, key_id: str) -> None:
        """See `Catalog`."""
        del self._world.api_keys[(await self.get_api_key(tenant, key_id)).id]

    async def touch_api_keys(self, used: Mapping[str, int]) -> None:
        """See `Catalog`."""
        for key_id, at_ms in used.items():
            stored = self._world.api_keys.get(key_id)
            if stored is not None and at_ms > (stored.last_used_ms or 0):
                self._world.api_keys[key_id] = replace(stored, last_used_ms=at_ms)

    @audited("pool.create")
    async def create_pool(self, pool: PoolRecord) -> None:
        """See `Catalog`."""
        self._refuse_pool_name(pool)
        self._world.pools[pool.id] = pool

    async def get_pool(self, tenant: str, pool_id: str) -> PoolRecord:
        """See `Catalog`."""
        found = self._world.pools.get(pool_id)
        if found is None or found.tenant != tenant:
            raise NotFound("pool", pool_id)
        return found

    async def list_pools(self, tenant: str, *, limit: int, offset: int) -> list[PoolRecord]:
        """See `Catalog`."""
        own = [pool for pool in reversed(self._world.pools.values()) if pool.tenant == tenant]
        return own[offset : offset + limit]

    @audited("pool.change")
    async def change_pool(
        self, pool: PoolRecord, *, before: PoolRecord, change: dict[str, Any] | None
    ) -> list[ControlRequest]:
        """See `Catalog`."""
        if await self.get_pool(pool.tenant, pool.id) != before:
            raise pool_has_changed(pool)
        self._refuse_pool_name(pool)
        self._world.pools[pool.id] = pool
        concerned = [one for one in self._world.live() if one.pool_id == pool.id]
        asked = [] if change is None else [arms_control(one.id, change) for one in concerned]
        return [self._world.enqueue(control) for control in asked]

    @audited("pool.delete")
    async def delete_pool(self, tenant: str, pool_id: str) -> None:
        """See `Catalog`."""
        await self.get_pool(tenant, pool_id)
        if any(one.pool_id == pool_id for one in self._world.live()):
            raise Conflict(f"pool {pool_id} has experiments", code="POOL_HAS_EXPERIMENTS")
        del self._world.pools[pool_id]

    @audited("experiment.create")
    async def create_experiment(
        self, record: ExperimentRecord, *, creation: CommittedBatch, state: StateRecord
    ) -> None:
        """See `Catalog`."""
        pool = await self.get_pool(record.tenant, record.pool_id)
        check_arms(pool, creation)
        self._refuse_experiment_name(record)
        self._world.experiments[record.id] = record
        self._world.batches[record.id] = [creation]
        self._world.snapshots[record.id] = state

    async def get_experiment(self, tenant: str, experiment: str) -> ExperimentRecord:
        """See `Catalog`."""
        found = self._world.experiments.get(experiment)
        if found is None or found.tenant != tenant or experiment in self._world.deleted:
            raise NotFound("experiment", experiment)
        return found

    async def find_experiment(
        self, experiment: str
    ) -> tuple[ExperimentRecord, PoolRecord, str] | None:
        """See `Catalog`."""
        if experiment not in self._world.experiments or experiment in self._world.deleted:
            return None
        record = self._world.experiments[experiment]
        return record, self._world.pools[record.pool_id], self._stamp(record)

    async def stamps(self, experiments: Sequence[str]) -> list[str | None]:
        """See `Catalog`."""
        live = {one.id: one for one in self._world.live()}
        found = [live.get(experiment) for experiment in experiments]
        return [None if one is None else self._stamp(one) for one in found]

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
        own = [
            one
            for one in reversed(self._world.live())
            if one.tenant == tenant
            and (search is None or search.lower() in one.name.lower())
            and (enabled is None or one.enabled == enabled)
            and (pool_id is None or one.pool_id == pool_id)
        ]
        return own[offset : offset + limit]

    @audited("experiment.change")
    async def change_experiment(
        self,
        record: ExperimentRecord,
        *,
        before: ExperimentRecord,
        control: ControlRequest | None = None,
    ) -> ControlRequest | None:
        """See `Catalog`."""
        stored = await self.get_experiment(record.tenant, record.id)
        check_unchanged(stored, before)
        self._refuse_experiment_name(record)
        self._world.experiments[record.id] = replace(
            stored,
            name=record.name,
            parameters=record.parameters,
            enabled=record.enabled,
            floor=record.floor,
            reward_range=record.reward_range,
            window_s=record.window_s,
            default_reward=record.default_reward,
            aggregation=record.aggregation,
            updated_ms=record.updated_ms,
        )
        return None if control is None else self._world.enqueue(control)

    @audited("gate.change")
    async def put_gate(
        self, tenant: str, experiment: str, gate: GateRecord | None, *, expected: int | None
    ) -> None:
        """See `Catalog`."""
        stored = await self.get_experiment(tenant, experiment)
        if (None if stored.gate is None else stored.gate.version) != expected:
            raise gate_has_changed(experiment)
        self._world.experiments[experiment] = replace(stored, gate=gate)

    @audited("experiment.delete")
    async def delete_experiment(self, tenant: str, experiment: str) -> None:
        """See `Catalog`."""
        await self.get_experiment(tenant, experiment)
        self._world.deleted.add(experiment)

    @audited("bundle.create")
    async def put_bundle(self, tenant: str, sha256: str, data: bytes) -> None:
        """See `Catalog`."""
        self._world.bundles.setdefault((tenant, sha256), data)

    async def get_bundle(self, tenant: str, sha256: str) -> bytes:
        """See `Catalog`."""
        found = self._world.bundles.get((tenant, sha256))
        if found is None:
            raise NotFound("bundle", sha256)
        return found

    @audited("experiment.{reason}")
    async def request_control(self, control: ControlRequest) -> ControlRequest:
        """See `Catalog`."""
        return self._world.enqueue(control)

    async def get_control(self, control_id: int) -> ControlRequest:
        """See `Catalog`."""
        found = self._world.controls.get(control_id)
        if found is None:
            raise NotFound("control", str(control_id))
        return found

    async def cancel_control(self, control_id: int) -> bool:
        """See `Catalog`."""
        stored = await self.get_control(control_id)
        if stored.status != "pending":
            return False
        self._world.controls[control_id] = replace(stored, status="cancelled")
        return True

    def _stamp(self, record: ExperimentRecord) -> str:
        return sha256(msgspec.json.encode((record, self._world.pools[record.pool_id]))).hexdigest()

    def _refuse_pool_name(self, pool: PoolRecord) -> None:
        others = (one for one in self._world.pools.values() if one.id != pool.id)
        if any(one.tenant == pool.tenant and one.name == pool.name for one in others):
            raise Conflict(f"a pool named {pool.name!r} exists; choose another name")

    def _refuse_experiment_name(self, record: ExperimentRecord) -> None:
        others = (one for one in self._world.live() if one.id != record.id)
        if any(one.tenant == record.tenant and one.name == record.name for one in others):
            raise Conflict(f"an experiment named {record.name!r} exists; choose another name")
