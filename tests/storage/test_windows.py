"""What closes windows and takes rewards back, over every backend."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from qbrix.ledger import Batch, Disposition
from serving.storage.base import DecisionEvent, ExperimentRecord, StateRecord, Stores
from serving.storage.base_insight import Span
from serving.storage.records_windows import BEFORE_ALL, Progress
from tests.storage.records import (
    committed,
    decision,
    decision_id,
    make_state,
    row_batch,
    stored_experiment,
)

AT_MS = 1_790_000_000_000
replace = msgspec.structs.replace


async def _windowed(stores: Stores, *, shard: int = 0) -> ExperimentRecord:
    record = await stored_experiment(stores, shard=shard)
    changed = replace(record, window_s=60.0, default_reward=0.25, aggregation="sum")
    await stores.catalog.change_experiment(changed, before=record)
    return changed


async def _term(stores: Stores) -> int:
    term = await stores.ledger.acquire(0, holder="test", ttl_s=60.0)
    assert term is not None
    return term


def _held(version: int, *, first: int, n: int) -> Batch:
    batch = row_batch(version, first=first, n=n)
    assert batch.rows is not None
    kinds = np.full(n, int(Disposition.HELD))
    kinds[0] = Disposition.FOLDED
    rows = {name: getattr(batch.rows, name) for name in batch.rows.__slots__}
    return Batch(epoch=0, version=version, rows=type(batch.rows)(**{**rows, "dispositions": kinds}))


def _decided(record: ExperimentRecord, number: int, **changes: object) -> DecisionEvent:
    """Decision ``number``, so many milliseconds after the beginning."""
    usual = {"decided_ms": AT_MS + number, "recorded": (0.5, -1.25)}
    return replace(decision(record.id, number), **(usual | changes))


def _numbers(events: Sequence[DecisionEvent]) -> list[int]:
    return [int(event.decision_id, 16) for event in events]


async def test_settings_are_stored_with_the_experiment(stores: Stores) -> None:
    record = await _windowed(stores)
    stored = await stores.ledger.experiment(record.id)
    assert stored is not None
    assert stored.attribution == record.attribution
    assert (stored.window_s, stored.default_reward, stored.aggregation) == (60.0, 0.25, "sum")


async def test_experiments_whose_windows_close_are_listed_with_their_progress(
    stores: Stores,
) -> None:
    record = await _windowed(stores)
    progress = Progress(AT_MS, decision_id(3))
    assert [(one.experiment, one.progress) for one in await stores.windows.windows(0)] == [
        (record.id, None)
    ]
    async with stores.ledger.step(0, term=await _term(stores)) as step:
        await step.put_window(record.id, Progress(AT_MS - 1, decision_id(9)))
        await step.put_window(record.id, progress)
    assert [one.progress for one in await stores.windows.windows(0)] == [progress]
    assert await stores.windows.windows(1) == []


async def test_decisions_are_due_in_the_order_of_time_and_once_each(stores: Stores) -> None:
    record = await _windowed(stores)
    decisions = [
        _decided(record, 4),
        _decided(record, 2),
        _decided(record, 7, decided_ms=AT_MS + 2),
        _decided(record, 5, source="gate"),
        _decided(record, 6, epoch=1),
    ]
    async with stores.ledger.step(0, term=await _term(stores)) as step:
        await step.put_decisions(decisions)
        await step.append(record.id, committed(_held(1, first=1, n=4)))  # 2, 3, 4 wait

    async def due(after: Progress, until_ms: int, limit: int = 99) -> list[DecisionEvent]:
        return await stores.windows.closing(
            record.id, epoch=0, after=after, until_ms=until_ms, limit=limit
        )

    found = await due(BEFORE_ALL, AT_MS + 9)
    assert _numbers(found) == [2, 7, 3, 4]
    assert found[0].recorded == (0.5, -1.25)
    assert _numbers(await due(BEFORE_ALL, AT_MS + 9, limit=2)) == [2, 7]
    assert _numbers(await due(Progress(AT_MS + 2, decision_id(2)), AT_MS + 3)) == [7, 3]
    assert await due(Progress(AT_MS + 4, decision_id(4)), AT_MS + 99) == []


async def test_all_rows_of_a_decision_are_found_with_what_became_of_them(stores: Stores) -> None:
    record = await _windowed(stores)
    async with stores.ledger.step(0, term=await _term(stores)) as step:
        await step.append(record.id, committed(_held(1, first=1, n=3)))
        await step.append(record.id, committed(row_batch(2, first=8, n=1, contexts=False)))
    wanted = [decision_id(number) for number in (8, 2, 99)]
    held, plain = await stores.windows.rows_of(record.id, wanted)
    expected = _held(1, first=1, n=3).rows
    assert expected is not None
    assert (held.version, held.disposition) == (1, Disposition.HELD)
    assert held.event.decision_id == decision_id(2)
    assert held.event.reward == expected.rewards[1]
    assert expected.contexts is not None
    assert held.event.context == expected.contexts[1].tobytes()
    assert (plain.version, plain.event.recorded) == (2, (float(np.log(10.0)),))


async def test_states_to_go_back_to_are_thinned_and_forgotten(stores: Stores) -> None:
    record = await _windowed(stores)

    def state(version: int, *, epoch: int = 0) -> StateRecord:
        return replace(make_state(record.id), version=version, epoch=epoch)

    async def found(at_most: int, *, epoch: int = 0) -> int | None:
        one = await stores.windows.checkpoint(record.id, epoch=epoch, at_most=at_most)
        return None if one is None else one.version

    for version in range(1, 34):
        async with stores.ledger.step(0, term=await _term(stores)) as step:
            await step.put_checkpoint(state(version))
    assert await found(33) == 33
    before = await found(20)
    assert before is not None
    assert 5 <= before <= 20  # some state of at most double the age
    assert await found(0) is None
    assert await found(33, epoch=1) is None
    async with stores.ledger.step(0, term=await _term(stores)) as step:
        await step.drop_checkpoints(record.id, after=20)
        await step.put_checkpoint(state(40, epoch=1))
    assert await found(33) == before
    assert await found(99, epoch=1) == 40
    assert await stores.windows.epoch_start(record.id, 0) == 0


async def test_what_a_window_comes_to_is_no_reward_that_somebody_sent(stores: Stores) -> None:
    record = await _windowed(stores)
    sent = _held(1, first=1, n=3)
    closing = _held(2, first=5, n=3)
    assert sent.rows is not None
    assert closing.rows is not None
    closing.rows.dispositions[:] = (Disposition.CLOSED, Disposition.DEFAULT, Disposition.RETRACTION)
    async with stores.ledger.step(0, term=await _term(stores)) as step:
        await step.append(record.id, committed(sent))
        await step.append(record.id, committed(closing))
    for span in (Span(), Span(AT_MS, AT_MS + 999)):
        sums = await stores.insight.rewards(record.id, span=span, interval_ms=None)
        assert sum(one.count for one in sums) == 3
        assert sum(one.total for one in sums) == np.cumsum(sent.rows.rewards)[-1]
