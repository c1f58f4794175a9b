"""Pools: arms under a name."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from qbrix.errors import NotFound
from serving.proxy.experiments.records import is_id
from serving.storage.base import ArmRecord, Catalog, PoolRecord

__all__ = ["Pools"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pools:
    """The tenant's pools."""

    catalog: Catalog

    async def create(
        self, tenant: str, *, name: str, arms: Sequence[tuple[str, dict[str, Any]]]
    ) -> PoolRecord:
        """A new pool with arms given as (name, metadata), in order."""
        now_ms = time.time_ns() // 1_000_000
        record = PoolRecord(
            id=uuid4().hex,
            tenant=tenant,
            name=name,
            arms=tuple(
                ArmRecord(id=uuid4().hex, name=arm, index=index, metadata=metadata)
                for index, (arm, metadata) in enumerate(arms)
            ),
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        await self.catalog.create_pool(record)
        return record

    async def get(self, tenant: str, pool_id: str) -> PoolRecord:
        """Raises NotFound."""
        if not is_id(pool_id):
            raise NotFound("pool", pool_id)
        return await self.catalog.get_pool(tenant, pool_id)

    async def list(self, tenant: str, *, limit: int, offset: int) -> list[PoolRecord]:
        """Newest first."""
        return await self.catalog.list_pools(tenant, limit=limit, offset=offset)

    async def delete(self, tenant: str, pool_id: str) -> None:
        """Raises NotFound, Conflict."""
        await self.get(tenant, pool_id)
        await self.catalog.delete_pool(tenant, pool_id)
