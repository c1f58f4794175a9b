"""Stores that lose what they had, or go away for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from qbrix.errors import Unavailable
from qbrix.state import to_bytes
from serving.stack.servers import EmbeddedPostgres, EmbeddedValkey
from serving.storage.base import ExperimentRecord, Stores
from serving.storage.connect import open_stores
from serving.storage.memory import memory_stores
from serving.storage.memory.channel import MemoryChannel
from serving.storage.memory.intake import MemoryIntake
from serving.storage.migrate import migrate
from tests.cortex.world import cortex_of, create, event, refolded
from tests.waiting import PATIENCE_S


async def _counted(stores: Stores, record: ExperimentRecord) -> int:
    batches = await stores.ledger.batches(record.id, after=0, limit=999)
    return sum(len(stored.batch.rows or ()) for stored in batches)


async def _agrees(stores: Stores, record: ExperimentRecord) -> bool:
    published = await stores.channel.fetch(record.id)
    assert published is not None
    return published.state == to_bytes((await refolded(stores, record.id)).state)


async def test_streams_that_were_lost_and_made_anew_are_read_from_their_start() -> None:
    stores = memory_stores()
    assert isinstance(stores.intake, MemoryIntake)
    assert isinstance(stores.channel, MemoryChannel)
    record, quiet = await create(stores), await create(stores)
    cortex = cortex_of(stores)
    await stores.intake.append_feedback(0, [event(record, n) for n in range(3)])
    await stores.intake.append_feedback(0, [event(record, n) for n in range(3)])
    await cortex.drain()
    stores.intake.lose()
    stores.channel.lose()
    # Position 1 again: before the position that the ledger remembers.
    await stores.intake.append_feedback(0, [event(record, n) for n in (2, 3)])
    await cortex.drain()
    assert await _counted(stores, record) == 4
    assert await _agrees(stores, record)
    assert await _agrees(stores, quiet)


async def test_what_was_read_before_a_loss_is_counted_once_when_it_is_sent_again() -> None:
    stores = memory_stores()
    assert isinstance(stores.intake, MemoryIntake)
    record = await create(stores)
    for _ in range(3):
        await stores.intake.append_feedback(0, [event(record, n) for n in range(5)])
        await cortex_of(stores).drain()
        stores.intake.lose()
    assert await _counted(stores, record) == 5


@pytest.fixture
def mortals(tmp_path: Path) -> Iterator[tuple[EmbeddedPostgres, EmbeddedValkey]]:
    """Servers of this test's own, to be killed."""
    with EmbeddedPostgres(tmp_path) as postgres, EmbeddedValkey(tmp_path) as valkey:
        asyncio.run(migrate(postgres.url))
        yield postgres, valkey


async def test_a_running_cortex_goes_on_when_its_stores_come_back(
    mortals: tuple[EmbeddedPostgres, EmbeddedValkey],
) -> None:
    postgres, valkey = mortals
    stores = await open_stores(postgres_url=postgres.url, redis_url=valkey.url)
    record = await create(stores, policy="EXP3Policy@1")
    cortex = cortex_of(stores)
    await cortex.start()
    async with asyncio.timeout(PATIENCE_S):
        await stores.intake.append_feedback(0, [event(record, n) for n in range(5)])
        await cortex.drain()

        postgres.kill()
        await stores.intake.append_feedback(0, [event(record, n) for n in range(10)])
        with pytest.raises(Unavailable):
            await cortex.drain()
        await asyncio.to_thread(postgres.start)
        await _repeated(cortex.drain)
        assert await _counted(stores, record) == 10

        valkey.kill()
        with pytest.raises(Unavailable):
            await cortex.drain()
        await asyncio.to_thread(valkey.start)
        await _repeated(lambda: stores.intake.append_feedback(0, [event(record, 10)]))
        await _repeated(cortex.drain)
        assert await _counted(stores, record) == 11
        assert await _agrees(stores, record)
    await cortex.stop()
    await cortex.wait()
    await stores.close()


async def _repeated(attempt: Callable[[], Awaitable[object]]) -> None:
    """Until the stores are back."""
    while True:
        try:
            await attempt()
        except Unavailable:
            await asyncio.sleep(0.05)
        else:
            return
