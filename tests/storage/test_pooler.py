"""Everything works when each transaction meets another session of Postgres."""

from __future__ import annotations

import asyncio

from qbrix.state import to_bytes
from serving.storage.base import ControlRequest, ExperimentRecord, Stores
from serving.storage.connect import open_stores
from serving.storage.migrate import current, head, migrate
from tests.cortex.world import cortex_of, create, event, refolded
from tests.storage.pooler import pooled
from tests.waiting import PATIENCE_S


async def _teach(stores: Stores, record: ExperimentRecord, *, shard: int) -> None:
    for start in range(0, 60, 10):
        events = [event(record, n, arm=n % 3) for n in range(start, start + 10)]
        await stores.intake.append_feedback(shard, events)
    await stores.catalog.request_control(
        ControlRequest(
            id=0, experiment=record.id, reason="configure", change={"floor": 0.1}, start="keep"
        )
    )


async def test_learning_through_a_pooler_in_transaction_mode(
    fresh_postgres_url: str, fresh_redis_url: str
) -> None:
    async with pooled(fresh_postgres_url) as (url, pooler):
        stores = await open_stores(postgres_url=url, redis_url=fresh_redis_url)
        records = [await create(stores, shard=shard) for shard in (0, 1)]
        cortex = cortex_of(stores, shards=[0, 1])
        await cortex.start()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(
                *(_teach(stores, record, shard=shard) for shard, record in enumerate(records))
            )
            await cortex.drain()
        await cortex.stop()
        for record in records:
            deployment = await refolded(stores, record.id)
            published = await stores.channel.fetch(record.id)
            assert published is not None
            assert published.state == to_bytes(deployment.state)
        batches = await stores.ledger.batches(records[0].id, after=0, limit=99)
        assert sum(len(one.batch.rows or ()) for one in batches) == 60
        assert pooler.lent > 10
        await stores.close()


async def test_the_schema_is_made_through_a_pooler(empty_postgres_url: str) -> None:
    async with pooled(empty_postgres_url) as (url, _):
        assert await migrate(url) == head()
        assert await current(url) == head()
