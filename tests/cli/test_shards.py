"""Experiments stay on their shards, so that nobody may lead fewer."""

from __future__ import annotations

import asyncio

import pytest

from serving.storage.base import Stores
from serving.storage.connect import open_stores
from tests.cli.processes import qbrix
from tests.cortex.world import TENANT, create


async def _with_experiment(environment: dict[str, str], *, shard: int) -> None:
    stores: Stores = await open_stores(
        postgres_url=environment["QBRIX_POSTGRES_URL"], redis_url=environment["QBRIX_REDIS_URL"]
    )
    try:
        assert await stores.ledger.shards() == 0
        deleted = await create(stores, shard=40)
        await stores.catalog.delete_experiment(TENANT, deleted.id)
        await create(stores, shard=shard)
        assert await stores.ledger.shards() == shard + 1
    finally:
        await stores.close()


@pytest.mark.parametrize("role", ["cortex", "proxy"])
def test_a_role_for_fewer_shards_than_are_used_does_not_start(
    environment: dict[str, str], role: str
) -> None:
    asyncio.run(_with_experiment(environment, shard=5))
    refused = qbrix(role, environment=environment | {"QBRIX_SHARDS": "4"})
    assert refused.returncode != 0
    assert "QBRIX_SHARDS = 4, but there are experiments on 6 shards" in refused.stderr
    assert "Traceback" not in refused.stderr
