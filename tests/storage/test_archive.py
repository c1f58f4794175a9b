"""`Archive`, over every backend."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from qbrix.errors import NotFound
from serving.sampling import is_kept
from serving.storage.base import (
    CommittedBatch,
    DecisionEvent,
    ExperimentRecord,
    Retention,
    Stores,
)
from serving.storage.base_insight import Span
from tests.storage.records import (
    committed,
    decision,
    decision_id,
    make_state,
    row_batch,
    stored_experiment,
)

DAY_MS = 86_400_000
NOW_MS = round(datetime(2026, 9, 20, tzinfo=UTC).timestamp() * 1000)
KEEP = Retention(keys_ms=31 * DAY_MS)

replace = msgspec.structs.replace


async def _append(
    stores: Stores, record: ExperimentRecord, *batches: CommittedBatch, head: int | None = None
) -> None:
    term = await stores.ledger.acquire(0, holder="me", ttl_s=60.0)
    assert term is not None
    async with stores.ledger.step(0, term=term) as step:
        for one in batches:
            await step.append(record.id, one)
        if head is not None:
            await step.put_snapshot(make_state(record.id, version=head))


async def _archive(stores: Stores, *events: DecisionEvent) -> None:
    term = await stores.ledger.acquire(0, holder="me", ttl_s=60.0)
    assert term is not None
    async with stores.ledger.step(0, term=term) as step:
        await step.put_decisions(events)


async def _bury(stores: Stores, *letters: tuple[str, str, bytes]) -> None:
    term = await stores.ledger.acquire(0, holder="me", ttl_s=60.0)
    assert term is not None
    async with stores.ledger.step(0, term=term) as step:
        for experiment, reason, payload in letters:
            await step.bury(experiment, reason=reason, payload=payload)


def _batch(version: int, *, at_ms: int, n: int = 2) -> CommittedBatch:
    return replace(committed(row_batch(version, first=10 * version, n=n)), committed_ms=at_ms)


async def _known(stores: Stores, record: ExperimentRecord, numbers: list[int]) -> set[int]:
    keys = {
        (record.id, 0, decision_id(number), "" if number % 2 else f"größe {number}"): number
        for number in numbers
    }
    return {keys[key] for key in await stores.ledger.known(list(keys))}


async def test_a_key_is_kept_as_long_as_a_token_may_come_and_no_longer(stores: Stores) -> None:
    record = await stored_experiment(stores)
    await _append(
        stores,
        record,
        _batch(1, at_ms=NOW_MS - 31 * DAY_MS - 1),
        _batch(2, at_ms=NOW_MS - 31 * DAY_MS),
    )
    tended = await stores.archive.tend(KEEP, now_ms=NOW_MS)
    assert tended.pruned_keys == 2
    assert await _known(stores, record, [10, 11, 20, 21]) == {20, 21}
    assert len(await stores.ledger.batches(record.id, after=0, limit=9)) == 2
    assert (await stores.archive.tend(KEEP, now_ms=NOW_MS)).pruned_keys == 0


@pytest.mark.parametrize("partitioned", [True, False])
async def test_decisions_go_by_whole_months_and_their_sums_stay(
    stores: Stores, partitioned: bool
) -> None:
    record = await stored_experiment(stores)
    august = round(datetime(2026, 8, 1, tzinfo=UTC).timestamp() * 1000)
    times = (august - 1, august, NOW_MS)
    events = [
        replace(decision(record.id, number, proxy=record.id), decided_ms=at_ms)
        for number, at_ms in enumerate(times, start=1)
    ]
    await _archive(stores, *events)
    if partitioned:
        await stores.archive.tend(KEEP, now_ms=august - 1)
    # 50 days before now August begins and July ends, 19 days before August does.
    for days, left in ((51, [1, 2, 3]), (50, [2, 3]), (20, [2, 3]), (19, [3])):
        keep = Retention(keys_ms=31 * DAY_MS, decisions_ms=days * DAY_MS)
        await stores.archive.tend(keep, now_ms=NOW_MS)
        kept, _ = await stores.ledger.decisions(record.id, after=0, limit=9)
        assert [event.number for event in kept] == left


async def test_the_ledger_goes_only_when_it_is_asked_to_and_its_snapshots_hold_it(
    stores: Stores,
) -> None:
    record = await stored_experiment(stores)
    june = round(datetime(2026, 6, 15, tzinfo=UTC).timestamp() * 1000)
    await _append(stores, record, _batch(1, at_ms=june), _batch(2, at_ms=june + 1), head=1)
    await _append(stores, record, _batch(3, at_ms=NOW_MS))

    async def versions(keep: Retention) -> list[int]:
        await stores.archive.tend(keep, now_ms=NOW_MS)
        found = await stores.ledger.batches(record.id, after=0, limit=9)
        return [one.batch.version for one in found]

    asked = Retention(keys_ms=DAY_MS, ledger_ms=31 * DAY_MS)
    assert await versions(KEEP) == [1, 2, 3]
    assert await versions(asked) == [1, 2, 3]  # version 2 is in no snapshot yet
    await _append(stores, record, head=3)
    assert await versions(asked) == [3]


@pytest.mark.parametrize("sampling", [1.0, 0.5])
async def test_a_decision_that_died_with_its_proxy_comes_back_from_its_feedback(
    stores: Stores, sampling: float
) -> None:
    record = await stored_experiment(stores)
    batch = _batch(1, at_ms=NOW_MS - 60_000, n=8)
    await _append(stores, record, batch)
    logged = replace(decision(record.id, 10, proxy=record.id), sampling=sampling, decided_ms=NOW_MS)
    await _archive(stores, logged)
    early = await stores.archive.tend(KEEP, now_ms=NOW_MS)
    assert early.restored == 0  # its proxy may still send it
    waiting = await stores.archive.tend(KEEP, now_ms=NOW_MS + 1, unread_ms=NOW_MS - 60_000)
    assert waiting.restored == 0  # it may still be read from a stream
    tended = await stores.archive.tend(KEEP, now_ms=NOW_MS + 1)
    kept = [n for n in range(11, 18) if is_kept(decision_id(n), sampling=sampling)]
    assert tended.restored == len(kept)
    assert sampling < 1.0 or len(kept) == 7

    log, _ = await stores.ledger.decisions(record.id, after=0, limit=99)
    back = {event.decision_id: event for event in log if not event.proxy}
    assert set(back) == {decision_id(number) for number in kept}
    rows = batch.batch.rows
    assert rows is not None
    for number in kept:
        event, at = back[decision_id(number)], number - 10
        told = (event.arm, event.u, event.low, event.propensity, event.decided_ms, event.sampling)
        columns = (rows.arms, rows.u, rows.low, rows.propensities, rows.decided_ms)
        assert told == (*(column[at] for column in columns), sampling)
        assert event.source == ("gate" if number % 3 == 0 else "policy")
    made = await stores.insight.selections(record.id, span=Span(), interval_ms=None)
    assert sum(one.selections for one in made) == 1 + len(kept)
    for span in (Span(), Span(start_ms=0)):  # theirs are not known
        assert await stores.insight.contexts(record.id, span=span) == 1
    assert (await stores.archive.tend(KEEP, now_ms=NOW_MS + DAY_MS)).restored == 0


async def test_numbers_that_are_missing_before_the_last_one_are_lost_decisions(
    stores: Stores,
) -> None:
    record = await stored_experiment(stores)
    sent = {"a.0": (1, 2, 5), "b.0": (3,), "b.1": (1,)}
    for proxy, numbers in sent.items():
        for number in numbers:
            await _archive(stores, decision(record.id, number, proxy=proxy))
    await _archive(stores, decision(record.id, 5, proxy="a.0"))  # again
    assert await stores.archive.decisions_lost() == 2 + 2


async def test_dead_letters_are_told_newest_first_and_marked_where_they_are(
    stores: Stores,
) -> None:
    await _bury(stores, ("e", "first", b"1"), ("", "damaged", b"2"), ("e", "second", b"3"))
    archive = stores.archive
    letters = await archive.dead_letters(None, limit=9)
    assert [letter.reason for letter in letters] == ["second", "damaged", "first"]
    assert all(letter.buried_ms > 0 and letter.redriven_ms is None for letter in letters)
    of_e = await archive.dead_letters("e", limit=1)
    assert of_e == letters[:1]
    assert await archive.dead_letters("e", limit=9, before=of_e[0].id) == letters[2:]

    await archive.mark_redriven([letters[1].id])
    marked = await archive.dead_letter(letters[1].id)
    assert marked.redriven_ms is not None
    assert marked.redriven_ms >= marked.buried_ms
    await archive.mark_redriven([letter.id for letter in letters])
    assert await archive.dead_letter(letters[1].id) == marked
    with pytest.raises(NotFound):
        await archive.dead_letter(10**9)
