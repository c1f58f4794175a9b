"""Dead letters get another chance, and a reward still counts once."""

from __future__ import annotations

import msgspec

from qbrix.ledger import Disposition
from serving.redriving import held_in, redrive
from serving.storage import codec
from serving.storage.base import ControlRequest, ExperimentRecord, Stores
from serving.storage.memory import memory_stores
from tests.cortex.world import cortex_of, create, decided, event, refolded

SOON_MS = 1_790_000_000_000 + 86_400_000  # a day after the decisions of these tests


async def _grow(stores: Stores, record: ExperimentRecord) -> None:
    """Give the experiment a fourth arm."""
    await stores.catalog.request_control(
        ControlRequest(
            id=0, experiment=record.id, reason="arms", change={"n_arms": 4}, start="keep"
        )
    )


async def _folded(stores: Stores, record: ExperimentRecord) -> list[str]:
    """Decision ids of what was folded, in order; the ledger is folded again on the way."""
    await refolded(stores, record.id)
    batches = await stores.ledger.batches(record.id, after=-1, limit=999)
    return [
        decision
        for stored in batches
        if (rows := stored.batch.rows) is not None
        for decision, what in zip(rows.decision_ids, rows.dispositions, strict=True)
        if what == Disposition.FOLDED
    ]


async def test_what_became_sound_is_learned_once_however_often_it_is_sent_again() -> None:
    stores = memory_stores()
    record = await create(stores)
    cortex = cortex_of(stores)
    poison, sound = event(record, 1, arm=3), event(record, 2)
    await stores.intake.append_feedback(record.shard, [poison, sound])
    await cortex.drain()
    (letter,) = await stores.archive.dead_letters(record.id, limit=9)
    assert "arm" in letter.reason
    assert held_in(letter).feedback == [poison]

    await _grow(stores, record)
    await cortex.drain()
    # Whoever is killed before the letter is marked sends it twice.
    for _ in range(2):
        (done,) = await redrive(stores, [letter], now_ms=SOON_MS)
        assert done.problem is None
    await cortex.drain()
    assert await _folded(stores, record) == [sound.decision_id, poison.decision_id]
    (letter,) = await stores.archive.dead_letters(record.id, limit=9)
    assert letter.redriven_ms is not None


async def test_what_is_still_poison_is_buried_again_beside_the_mark() -> None:
    stores = memory_stores()
    record = await create(stores)
    cortex = cortex_of(stores)
    await stores.intake.append_feedback(record.shard, [event(record, 1, arm=3)])
    await cortex.drain()
    letters = await stores.archive.dead_letters(record.id, limit=9)
    await redrive(stores, letters, now_ms=SOON_MS)
    await cortex.drain()
    second, first = await stores.archive.dead_letters(record.id, limit=9)
    assert first.redriven_ms is not None
    assert second.redriven_ms is None
    assert second.payload == first.payload


async def test_what_nobody_can_read_or_place_stays_and_says_why() -> None:
    stores = memory_stores()
    record = await create(stores)
    orphan = msgspec.structs.replace(event(record, 1), experiment="f" * 32)
    term = await stores.ledger.acquire(0, holder="test", ttl_s=60.0)
    assert term is not None
    async with stores.ledger.step(0, term=term) as step:
        await step.bury("", reason="damaged", payload=b"\x07nobody wrote this")
        await step.bury("f" * 32, reason="gone", payload=codec.pack_feedback([orphan]))
        await step.bury("", reason="odd", payload=codec.pack_decisions([decided(record, 5)]))
    letters = await stores.archive.dead_letters(None, limit=9)
    done = await redrive(stores, letters, now_ms=SOON_MS)
    problems = [one.problem or "" for one in done]
    assert [bool(one) for one in problems] == [True, True, False]
    assert "newer" in problems[0]
    assert "deleted" in problems[1]
    read = await stores.intake.read_decisions(record.shard, after="0", limit=9, block_ms=0)
    assert read.events == [decided(record, 5)]
    marked = [
        one.redriven_ms is not None for one in await stores.archive.dead_letters(None, limit=9)
    ]
    assert marked == [True, False, False]


async def test_what_the_ledger_may_have_forgotten_is_not_sent_again() -> None:
    stores = memory_stores()
    record = await create(stores)
    cortex = cortex_of(stores)
    await stores.intake.append_feedback(record.shard, [event(record, 1, arm=3)])
    await cortex.drain()
    letters = await stores.archive.dead_letters(record.id, limit=9)
    decided_ms = event(record, 1).decided_ms
    lifetime_ms = 30 * 86_400_000
    (done,) = await redrive(stores, letters, now_ms=decided_ms + lifetime_ms + 1)
    assert "30 days old" in (done.problem or "")
    assert (await stores.archive.dead_letters(record.id, limit=9))[0].redriven_ms is None
    (done,) = await redrive(stores, letters, now_ms=decided_ms + lifetime_ms)
    assert done.problem is None
