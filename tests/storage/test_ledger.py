"""`Ledger`, over every backend."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest

from qbrix.errors import Conflict, NotFound
from qbrix.ledger.names import CLOSE, retraction_id
from serving.storage import codec
from serving.storage.base import (
    AlreadyCounted,
    ExperimentRecord,
    Ledger,
    LedgerStep,
    Promotion,
    Stores,
)
from tests.storage.records import (
    TENANT,
    committed,
    control_batch,
    decision,
    decision_id,
    floor_change,
    make_state,
    row_batch,
    stored_experiment,
)
from tests.waiting import PATIENCE_S


class Rolled(Exception):
    """Raised within a step to see that nothing of it stays."""


async def _term(ledger: Ledger, shard: int = 0) -> int:
    term = await ledger.acquire(shard, holder="me", ttl_s=60.0)
    assert term is not None
    return term


async def test_shards_are_counted_up_to_the_highest_with_a_live_experiment(
    stores: Stores,
) -> None:
    assert await stores.ledger.shards() == 0
    record = await stored_experiment(stores)
    assert await stores.ledger.shards() == record.shard + 1
    await stores.catalog.delete_experiment(record.tenant, record.id)
    assert await stores.ledger.shards() == 0


async def test_a_lease_has_one_holder_until_it_is_released(stores: Stores) -> None:
    ledger = stores.ledger
    first = await ledger.acquire(0, holder="a", ttl_s=60.0)
    assert first is not None
    assert await ledger.acquire(0, holder="b", ttl_s=60.0) is None
    assert await ledger.acquire(0, holder="a", ttl_s=60.0) == first
    await ledger.release(0, holder="b")
    assert await ledger.acquire(0, holder="b", ttl_s=60.0) is None
    await ledger.release(0, holder="a")
    assert await ledger.acquire(0, holder="b", ttl_s=60.0) == first + 1
    assert await ledger.acquire(1, holder="a", ttl_s=60.0) is not None


async def test_a_lease_that_runs_out_is_anybodys(stores: Stores) -> None:
    first = await stores.ledger.acquire(0, holder="a", ttl_s=0.05)
    assert first is not None
    taken = None
    async with asyncio.timeout(PATIENCE_S):
        while taken is None:
            taken = await stores.ledger.acquire(0, holder="b", ttl_s=60.0)
    assert taken == first + 1
    assert await stores.ledger.acquire(0, holder="a", ttl_s=60.0) is None


async def test_of_many_who_ask_at_once_one_gets_the_lease(stores: Stores) -> None:
    asked = (stores.ledger.acquire(0, holder=str(n), ttl_s=60.0) for n in range(8))
    terms = await asyncio.gather(*asked)
    assert len([term for term in terms if term is not None]) == 1


async def test_a_step_of_an_earlier_term_writes_nothing(stores: Stores) -> None:
    record = await stored_experiment(stores)
    old = await _term(stores.ledger)
    await stores.ledger.release(0, holder="me")
    new = await stores.ledger.acquire(0, holder="rival", ttl_s=60.0)
    assert new == old + 1
    with pytest.raises(Conflict, match="term"):
        async with stores.ledger.step(0, term=old) as step:
            await step.append(record.id, committed(row_batch(1, first=0)))
    with pytest.raises(Conflict, match="term"):
        async with stores.ledger.step(1, term=new):
            pass
    assert len(await stores.ledger.batches(record.id, after=0, limit=9)) == 0


async def test_batches_come_back_to_the_bit(stores: Stores) -> None:
    record = await stored_experiment(stores)
    written = [
        committed(row_batch(1, first=0)),
        committed(control_batch(2, alpha_prior=0.1 + 0.2)),
        committed(row_batch(3, first=100, n=1, contexts=False)),
        committed(row_batch(4, first=200, n=17)),
    ]
    term = await _term(stores.ledger)
    async with stores.ledger.step(0, term=term) as step:
        for one in written[:2]:
            await step.append(record.id, one)
    async with stores.ledger.step(0, term=term) as step:
        for one in written[2:]:
            await step.append(record.id, one)
    read = await stores.ledger.batches(record.id, after=0, limit=99)
    assert [one.batch.to_bytes() for one in read] == [one.batch.to_bytes() for one in written]
    for one, other in zip(read, written, strict=True):
        assert one.ledger_digest == other.ledger_digest
        assert one.state_digest == other.state_digest
        assert one.committed_ms == other.committed_ms


async def test_what_waits_for_the_store_to_be_busy_begins_once_before_the_commit(
    stores: Stores,
) -> None:
    record = await stored_experiment(stores)
    term = await _term(stores.ledger)
    begun: list[str] = []
    written = committed(row_batch(1, first=0))
    async with stores.ledger.step(0, term=term) as step:
        step.meanwhile(lambda: begun.append("rows"))
        await step.append(record.id, written)
    assert begun == ["rows"]
    async with stores.ledger.step(0, term=term) as step:
        step.meanwhile(lambda: begun.append("decisions"))
        await step.put_decisions([decision(record.id, 0)])
    async with stores.ledger.step(0, term=term) as step:
        step.meanwhile(lambda: begun.append("nothing"))
    assert begun == ["rows", "decisions", "nothing"]


async def test_what_waits_for_a_step_that_is_refused_begins_no_more_than_once(
    stores: Stores,
) -> None:
    record = await stored_experiment(stores)
    term = await _term(stores.ledger)
    begun: list[str] = []

    async def write(version: int) -> None:
        async with stores.ledger.step(0, term=term) as step:
            step.meanwhile(lambda: begun.append(f"version {version}"))
            await step.append(record.id, committed(row_batch(version, first=0)))

    await write(1)
    with pytest.raises(AlreadyCounted):
        await write(2)
    assert begun == ["version 1", "version 2"]


async def test_batches_are_read_in_pages(stores: Stores) -> None:
    record = await stored_experiment(stores)
    async with stores.ledger.step(0, term=await _term(stores.ledger)) as step:
        for version in range(1, 6):
            await step.append(record.id, committed(row_batch(version, first=100 * version)))
    page = await stores.ledger.batches(record.id, after=1, limit=2)
    assert [one.batch.version for one in page] == [2, 3]
    assert await stores.ledger.batches(record.id, after=5, limit=2) == []


async def test_control_changes_are_read_alone(stores: Stores) -> None:
    record = await stored_experiment(stores)
    changes = {2, 5}
    async with stores.ledger.step(0, term=await _term(stores.ledger)) as step:
        for version in range(1, 7):
            row, change = row_batch(version, first=100 * version), control_batch(version)
            await step.append(record.id, committed(change if version in changes else row))
    page = await stores.ledger.batches(record.id, after=0, limit=9, changes_only=True)
    assert [one.batch.version for one in page] == [2, 5]
    assert [one.batch.to_bytes() for one in page] == [
        control_batch(version).to_bytes() for version in (2, 5)
    ]
    page = await stores.ledger.batches(record.id, after=-1, limit=2, changes_only=True)
    assert [one.batch.version for one in page] == [0, 2]


@pytest.mark.parametrize("versions", [[2], [0], [1, 1], [1, 3]])
async def test_versions_rise_by_one(stores: Stores, versions: list[int]) -> None:
    record = await stored_experiment(stores)
    term = await _term(stores.ledger)

    async def write() -> None:
        async with stores.ledger.step(0, term=term) as step:
            for first, version in enumerate(versions):
                await step.append(record.id, committed(row_batch(version, first=100 * first)))

    with pytest.raises(Conflict):
        await write()
    assert len(await stores.ledger.batches(record.id, after=-1, limit=9)) == 1


async def test_a_counted_reward_is_known_by_its_whole_key(stores: Stores) -> None:
    record = await stored_experiment(stores)
    batch = row_batch(1, first=4, n=2)  # feedback ids "größe 4" and ""
    async with stores.ledger.step(0, term=await _term(stores.ledger)) as step:
        await step.append(record.id, committed(batch))
    counted = {
        (record.id, 0, decision_id(4), "größe 4"),
        (record.id, 0, decision_id(5), ""),
    }
    others = {
        (record.id, 0, decision_id(4), ""),
        (record.id, 1, decision_id(5), ""),
        (record.id, 0, decision_id(6), ""),
        ("another", 0, decision_id(5), ""),
    }
    assert await stores.ledger.known(sorted(counted | others)) == counted
    assert await stores.ledger.known([]) == set()


async def test_what_is_counted_already_is_refused_with_all_that_comes_with_it(
    stores: Stores,
) -> None:
    one, other = await stored_experiment(stores), await stored_experiment(stores, name="other")
    term = await _term(stores.ledger)
    async with stores.ledger.step(0, term=term) as step:
        await step.append(one.id, committed(row_batch(1, first=4, n=2)))

    async def write() -> None:
        async with stores.ledger.step(0, term=term) as step:
            await step.append(other.id, committed(row_batch(1, first=4, n=2)))
            await step.append(one.id, committed(row_batch(2, first=5, n=2)))

    with pytest.raises(AlreadyCounted):
        await write()
    for record, versions in ((one, [0, 1]), (other, [0])):
        stored = await stores.ledger.batches(record.id, after=-1, limit=9)
        assert [each.batch.version for each in stored] == versions


async def test_who_has_keys_of_our_own_is_told(stores: Stores) -> None:
    names = ("rewards", "closed", "taken back")
    records = [await stored_experiment(stores, name=name) for name in names]
    batch = row_batch(1, first=4, n=1)
    assert batch.rows is not None
    async with stores.ledger.step(0, term=await _term(stores.ledger)) as step:
        for record, word in zip(records, ("x", CLOSE, retraction_id("x")), strict=True):
            rows = replace(batch.rows, feedback_ids=(word,))
            await step.append(record.id, committed(replace(batch, rows=rows)))
    asked = [*(record.id for record in records), "f" * 32]
    assert await stores.ledger.marked(asked) == {records[1].id, records[2].id}
    assert await stores.ledger.marked(asked[:1]) == set()


async def _everything(step: LedgerStep, record: ExperimentRecord, control: int) -> None:
    experiment = record.id
    decided = msgspec.structs.replace(
        record,
        name="not for cortex to change",
        policy="Better",
        parameters={"eps": 0.5},
        bundle="5" * 64,
        support="binary",
        floor=0.25,
        reward_range=(0.0, 9.0),
    )
    await step.append(experiment, committed(row_batch(1, first=0)))
    await step.put_snapshot(make_state(experiment, version=1, term=1))
    assert await step.settle_control(control, status="applied", outcome={"version": 1})
    await step.put_promotion(experiment, version=1, bundle="5" * 64, certificate='{"format":1}')
    await step.put_policy(decided)
    await step.bury(experiment, reason="poison", payload=b"\x00\xff")
    await step.put_decisions([decision(experiment, 7)])
    await step.move("feedback", incarnation="first", position="17-3")


@pytest.mark.parametrize("fails", [False, True])
async def test_a_step_is_committed_as_a_whole_or_not_at_all(stores: Stores, fails: bool) -> None:
    record = await stored_experiment(stores)
    control = await stores.catalog.change_experiment(
        record, before=record, control=floor_change(record.id)
    )
    assert control is not None
    term = await _term(stores.ledger)
    try:
        async with stores.ledger.step(0, term=term) as step:
            await _everything(step, record, control.id)
            if fails:
                raise Rolled
    except Rolled:
        pass
    ledger = stores.ledger
    snapshot, stored = await ledger.snapshot(record.id), await ledger.experiment(record.id)
    decisions, _ = await ledger.decisions(record.id, after=0, limit=9)
    promotion = Promotion(version=1, bundle="5" * 64, certificate='{"format":1}')
    letters = [
        (letter.experiment, letter.reason, letter.payload)
        for letter in await stores.archive.dead_letters(record.id, limit=9)
    ]
    assert await ledger.promotions(record.id) == ([] if fails else [promotion])
    assert letters == ([] if fails else [(record.id, "poison", b"\x00\xff")])
    assert snapshot is not None
    assert stored is not None
    assert stored.name == record.name
    assert {
        len(await ledger.batches(record.id, after=0, limit=9)),
        snapshot.version,
        int((await stores.catalog.get_control(control.id)).status == "applied"),
        int((stored.policy, stored.parameters) == ("Better", {"eps": 0.5})),
        int((stored.support, stored.floor) == ("binary", 0.25)),
        int(stored.reward_range == (0.0, 9.0)),
        len(decisions),
        int(await ledger.position("feedback") == ("first", "17-3")),
    } == {0 if fails else 1}


async def test_a_cancelled_control_cannot_be_settled(stores: Stores) -> None:
    record = await stored_experiment(stores)
    control = await stores.catalog.request_control(floor_change(record.id))
    assert await stores.catalog.cancel_control(control.id)
    async with stores.ledger.step(0, term=await _term(stores.ledger)) as step:
        assert not await step.settle_control(control.id, status="applied", outcome={})
    assert (await stores.catalog.get_control(control.id)).status == "cancelled"


async def test_a_settled_control_tells_its_outcome_and_cannot_be_cancelled(stores: Stores) -> None:
    record = await stored_experiment(stores)
    control = await stores.catalog.request_control(floor_change(record.id))
    outcome = {"reason": "trace", "message": "step 3 differs"}
    async with stores.ledger.step(0, term=await _term(stores.ledger)) as step:
        assert await step.settle_control(control.id, status="rejected", outcome=outcome)
    settled = await stores.catalog.get_control(control.id)
    assert (settled.status, settled.outcome) == ("rejected", outcome)
    assert not await stores.catalog.cancel_control(control.id)
    assert await stores.ledger.pending_controls(0) == []


async def test_the_latest_snapshot_replaces_the_one_before(stores: Stores) -> None:
    record = await stored_experiment(stores)
    for version in (1, 2):
        async with stores.ledger.step(0, term=await _term(stores.ledger)) as step:
            await step.put_snapshot(make_state(record.id, version=version - 1, term=9))
            state = make_state(record.id, version=version, term=9)
            await step.put_snapshot(state)
        assert await stores.ledger.snapshot(record.id) == state


async def test_a_position_is_where_the_last_step_left_it(stores: Stores) -> None:
    assert await stores.ledger.position("s") is None
    for place in (("one", "5-0"), ("two", "0-1")):
        async with stores.ledger.step(0, term=await _term(stores.ledger)) as step:
            await step.move("s", incarnation=place[0], position=place[1])
        assert await stores.ledger.position("s") == place
    assert await stores.ledger.position("t") is None


async def test_experiments_are_told_by_shard(stores: Stores) -> None:
    records = [await stored_experiment(stores, name=str(n), shard=n % 2) for n in range(4)]
    assert await stores.ledger.experiments(1) == [records[1], records[3]]
    assert await stores.ledger.experiments(7) == []


async def test_archived_decisions_are_read_behind_a_cursor_and_kept_once(stores: Stores) -> None:
    record = await stored_experiment(stores)
    term = await _term(stores.ledger)
    written = [decision(record.id, number) for number in range(5)]
    for group in (written[:3], written[1:], [decision("another", 9, proxy="q")]):
        async with stores.ledger.step(0, term=term) as step:
            await step.put_decisions(group)
    first, cursor = await stores.ledger.decisions(record.id, after=0, limit=3)
    assert cursor is not None
    rest, end = await stores.ledger.decisions(record.id, after=cursor, limit=3)
    assert first + rest == written
    assert end is None


async def test_a_decision_is_found_in_the_archive_or_by_its_feedback(stores: Stores) -> None:
    record = await stored_experiment(stores)
    batch = row_batch(1, first=3, n=2)
    async with stores.ledger.step(0, term=await _term(stores.ledger)) as step:
        await step.put_decisions([decision(record.id, 8)])
        await step.append(record.id, committed(batch))
    assert await stores.ledger.find_decision(TENANT, decision_id(8)) == decision(record.id, 8)
    restored = await stores.ledger.find_decision(TENANT, decision_id(4))
    rows = batch.rows
    assert rows is not None
    assert rows.contexts is not None
    assert (restored.experiment, restored.decision_id) == (record.id, decision_id(4))
    assert (restored.u, restored.low, restored.propensity) == (
        rows.u[1],
        rows.low[1],
        rows.propensities[1],
    )
    assert restored.context == rows.contexts[1].tobytes()
    assert restored.source == "policy"
    gate = await stores.ledger.find_decision(TENANT, decision_id(3))
    assert gate.source == "gate"
    for tenant, wanted in ((TENANT, decision_id(9)), ("rival", decision_id(8)), (TENANT, "no id")):
        with pytest.raises(NotFound):
            await stores.ledger.find_decision(tenant, wanted)


def test_a_snapshot_begins_with_its_format() -> None:
    assert codec.pack_state(make_state("e"))[:1] == b"\x01"
