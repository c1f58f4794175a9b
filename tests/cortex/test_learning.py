"""From feedback in a stream to a published state."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from qbrix.bundle import TrustedKeys
from qbrix.ledger import Disposition
from qbrix.state import to_bytes
from serving.cortex import pace
from serving.cortex.publisher import Publisher
from serving.cortex.shard import Shard
from serving.cortex.times import Timing, now_ms
from serving.loading import PolicyLoader
from serving.storage.base import CommittedBatch, ExperimentRecord, Stores
from serving.storage.memory import memory_stores
from serving.telemetry import CortexMetrics
from tests.cortex.world import cortex_of, create, decided, event, refolded
from tests.waiting import PATIENCE_S


async def _batches(stores: Stores, record: ExperimentRecord) -> list[CommittedBatch]:
    return await stores.ledger.batches(record.id, after=0, limit=999)


async def _dispositions(stores: Stores, record: ExperimentRecord) -> list[int]:
    rows = [stored.batch.rows for stored in await _batches(stores, record)]
    return [int(one) for one_batch in rows if one_batch for one in one_batch.dispositions]


async def test_feedback_becomes_a_batch_and_the_published_state_is_the_folded_ledger() -> None:
    stores = memory_stores()
    record = await create(stores, n_arms=3)
    await stores.intake.append_feedback(0, [event(record, n, arm=n % 3) for n in range(6)])
    await cortex_of(stores).drain()
    published = await stores.channel.fetch(record.id)
    deployment = await refolded(stores, record.id)
    assert published is not None
    assert (published.version, published.epoch, published.tenant) == (1, 0, record.tenant)
    assert published.state == to_bytes(deployment.state)
    assert published.state_digest == deployment.state_digest
    assert published.law is not None
    # Each arm has two successes: equal posteriors are best equally often.
    assert np.allclose(np.frombuffer(published.law, dtype="<f8"), 1 / 3, atol=1e-10)


async def test_rows_lie_in_the_ledger_in_the_order_of_the_stream() -> None:
    stores = memory_stores()
    one, other = await create(stores), await create(stores)
    mixed = [event(one if n % 2 else other, n) for n in (9, 4, 7, 2, 5)]
    await stores.intake.append_feedback(0, mixed)
    await cortex_of(stores).drain()
    for record, numbers in ((one, (9, 7, 5)), (other, (4, 2))):
        (stored,) = await _batches(stores, record)
        assert stored.batch.rows is not None
        assert [int(word, 16) for word in stored.batch.rows.decision_ids] == list(numbers)


async def test_a_reward_counts_once_however_often_and_wherever_it_is_delivered() -> None:
    stores = memory_stores()
    record = await create(stores)
    copies = [event(record, 1)] * 5
    await asyncio.gather(*(stores.intake.append_feedback(0, [one]) for one in copies))
    await stores.intake.append_feedback(0, copies)
    await cortex_of(stores).drain()
    await stores.intake.append_feedback(0, copies)
    await cortex_of(stores).drain()
    (stored,) = await _batches(stores, record)
    assert stored.batch.rows is not None
    assert len(stored.batch.rows) == 1


async def test_feedback_ids_and_epochs_tell_rewards_apart() -> None:
    stores = memory_stores()
    record = await create(stores)
    different = [event(record, 1), event(record, 1, feedback_id="b"), event(record, 2)]
    await stores.intake.append_feedback(0, different * 2)
    await cortex_of(stores).drain()
    (stored,) = await _batches(stores, record)
    assert stored.batch.rows is not None
    assert len(stored.batch.rows) == 3


async def test_rows_that_a_gate_forced_are_recorded_and_teach_nothing() -> None:
    stores = memory_stores()
    record = await create(stores)
    before = (await refolded(stores, record.id)).state
    await stores.intake.append_feedback(0, [event(record, n, gate=True) for n in range(3)])
    await cortex_of(stores).drain()
    assert await _dispositions(stores, record) == [Disposition.GATE] * 3
    assert to_bytes((await refolded(stores, record.id)).state) == to_bytes(before)


async def test_a_batch_may_hold_both_what_is_learned_and_what_is_only_recorded() -> None:
    stores = memory_stores()
    record = await create(stores)
    events = [event(record, n, gate=n == 1, reward=1.0) for n in range(3)]
    await stores.intake.append_feedback(0, events)
    await cortex_of(stores).drain()
    assert await _dispositions(stores, record) == [0, Disposition.GATE, 0]
    assert (await refolded(stores, record.id)).state.successes[0] == 2.0  # type: ignore[attr-defined]


async def test_contexts_reach_the_policy_and_the_ledger() -> None:
    stores = memory_stores()
    record = await create(stores, policy="LinUCBPolicy@1", n_arms=2, dim=2)
    contexts = [(1.0, 0.5), (0.25, -1.0)]
    events = [event(record, n, arm=n, context=x, reward=0.1) for n, x in enumerate(contexts)]
    await stores.intake.append_feedback(0, events)
    await cortex_of(stores).drain()
    (stored,) = await _batches(stores, record)
    assert stored.batch.rows is not None
    assert stored.batch.rows.contexts is not None
    assert stored.batch.rows.contexts.tolist() == [list(x) for x in contexts]
    published = await stores.channel.fetch(record.id)
    assert published is not None
    assert published.law is None
    assert published.state == to_bytes((await refolded(stores, record.id)).state)


async def test_decisions_are_archived() -> None:
    stores = memory_stores()
    record = await create(stores)
    events = [decided(record, number) for number in range(5)]
    await stores.intake.append_decisions(0, events)
    await cortex_of(stores).drain()
    archived, _ = await stores.ledger.decisions(record.id, after=0, limit=99)
    assert archived == events
    assert len(await _batches(stores, record)) == 0


async def test_streams_are_empty_when_the_ledger_has_what_was_in_them() -> None:
    stores = memory_stores()
    record = await create(stores)
    await stores.intake.append_feedback(0, [event(record, 1)])
    await stores.intake.append_decisions(0, [decided(record, 1)])
    await cortex_of(stores).drain()
    assert await stores.intake.backlog(0) == 0
    left = await stores.intake.read_decisions(0, after="0", limit=9, block_ms=0)
    assert left.events == []


async def test_every_shard_learns_its_own_experiments() -> None:
    stores = memory_stores()
    records = [await create(stores, shard=shard) for shard in range(3)]
    for record in records:
        await stores.intake.append_feedback(record.shard, [event(record, 1)])
    await cortex_of(stores, shards=range(2)).drain()
    versions = [(await stores.ledger.batches(r.id, after=0, limit=9)) != [] for r in records]
    assert versions == [True, True, False]


async def test_a_running_cortex_learns_without_being_asked() -> None:
    stores = memory_stores()
    record = await create(stores)
    cortex = cortex_of(stores, lease_ttl_s=PATIENCE_S)
    await cortex.start()
    heard = aiter(stores.channel.listen("qbrix:states"))
    async with asyncio.timeout(PATIENCE_S):
        await stores.intake.append_feedback(0, [event(record, 1)])
        async for _ in heard:
            published = await stores.channel.fetch(record.id)
            if published is not None and published.version == 1:
                break
    assert cortex.leads == 1
    await cortex.stop()
    assert cortex.leads == 0
    await cortex.wait()


async def test_a_trickle_of_rewards_is_learned_in_steps_that_lie_apart() -> None:
    stores = memory_stores()
    record = await create(stores)
    cortex = cortex_of(stores, lease_ttl_s=PATIENCE_S)
    await cortex.start()
    began_s = time.monotonic()
    for number in range(40):
        await stores.intake.append_feedback(0, [event(record, number)])
        await asyncio.sleep(0.01)
    await cortex.stop()
    steps = await stores.ledger.batches(record.id, after=0, limit=99)
    assert 1 <= len(steps) <= 10.0 * (time.monotonic() - began_s) + 2


async def test_stopping_gives_the_lease_back_at_once() -> None:
    stores = memory_stores()
    first, second = cortex_of(stores), cortex_of(stores)
    await first.start()
    await first.drain()
    await first.stop()
    assert await stores.ledger.acquire(0, holder="anybody", ttl_s=0.0) is not None
    await second.drain()


async def test_a_drain_is_over_when_all_is_learned_however_often_the_lease_ran_out() -> None:
    stores = memory_stores()
    record = await create(stores)
    await stores.intake.append_feedback(0, [event(record, n) for n in range(3)])
    await cortex_of(stores, lease_ttl_s=1e-9).drain()
    assert (await refolded(stores, record.id)).version == 1


async def test_the_copies_of_all_experiments_are_made_good_at_the_start() -> None:
    stores = memory_stores()
    records = [await create(stores) for _ in range(3)]
    assert await stores.channel.fetch(records[0].id) is None
    await cortex_of(stores).drain()
    for record in records:
        published = await stores.channel.fetch(record.id)
        assert published is not None
        assert (published.version, published.state) == (
            0,
            to_bytes((await refolded(stores, record.id)).state),
        )


def _shard_of(stores: Stores, publisher: Publisher) -> Shard:
    loader, timing = PolicyLoader(stores.ledger.bundle, TrustedKeys()), Timing(clock=now_ms)
    return Shard(stores, loader, publisher, number=0, metrics=CortexMetrics(), timing=timing)


async def test_a_round_follows_at_once_only_where_more_waits_than_one_can_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "_MOST", 2)
    stores = memory_stores()
    record = await create(stores)
    term = await stores.ledger.acquire(0, holder="leader", ttl_s=PATIENCE_S)
    assert term is not None
    shard = _shard_of(stores, Publisher(stores.channel))
    while await shard.round(term, controls=False):
        pass
    await stores.intake.append_decisions(0, [decided(record, 1)])
    assert await shard.round(term, controls=False)
    assert not shard.hurries
    await stores.intake.append_decisions(0, [decided(record, 2)])
    await stores.intake.append_feedback(0, [event(record, 1)])
    assert await shard.round(term, controls=False)
    assert not shard.hurries
    await stores.intake.append_feedback(0, [event(record, 2)])
    await stores.intake.append_feedback(0, [event(record, 3)])
    assert await shard.round(term, controls=False)
    assert shard.hurries
    archived, _ = await stores.ledger.decisions(record.id, after=0, limit=9)
    assert [one.number for one in archived] == [1, 2]


async def test_a_new_leader_learns_before_it_has_made_every_copy_good() -> None:
    stores = memory_stores()
    records = [await create(stores) for _ in range(40)]
    await stores.intake.append_feedback(0, [event(records[-1], 1)])
    term = await stores.ledger.acquire(0, holder="leader", ttl_s=PATIENCE_S)
    assert term is not None
    publisher = Publisher(stores.channel)
    shard = _shard_of(stores, publisher)
    await shard.round(term, controls=False)
    await publisher.flush()
    copies = [await stores.channel.fetch(record.id) for record in records]
    assert copies[-1] is not None
    assert copies[-1].version == 1
    assert None in copies
    while await shard.round(term, controls=False):
        pass
    await publisher.flush()
    assert None not in [await stores.channel.fetch(record.id) for record in records]


@pytest.mark.parametrize("steps", [1, 7])
async def test_the_state_does_not_depend_on_when_cortex_looks(steps: int) -> None:
    stores = memory_stores()
    record = await create(stores, policy="EXP3Policy@1")
    cortex = cortex_of(stores)
    for first in range(steps):
        events = [event(record, n, arm=n % 3) for n in range(first, 21, steps)]
        await stores.intake.append_feedback(0, events)
        await cortex.drain()
    assert (await refolded(stores, record.id)).version == steps
