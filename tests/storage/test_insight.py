"""`Insight`, over every backend: sums by the minute agree with the rows, however time is cut."""

from __future__ import annotations

from collections import Counter
from uuid import uuid4

import msgspec
import pytest

from qbrix.ledger import Batch
from serving.storage.base import DecisionEvent, Stores
from serving.storage.base_insight import HOUR_MS, MINUTE_MS, SelectionSum, Span
from tests.storage.records import committed, decision, row_batch, stored_experiment

START = 100 * MINUTE_MS


def _event(experiment: str, number: int, *, at_ms: int, arm: int, source: str) -> DecisionEvent:
    return msgspec.structs.replace(
        decision(experiment, number),
        proxy=f"proxy of {experiment}",
        arm=arm,
        decided_ms=at_ms,
        source=source,
        context_id=f"user-{number % 4}",
    )


async def _archived(stores: Stores) -> str:
    """Ten decisions half a minute apart, the odd ones of arm 1, every fifth by a gate."""
    record = await stored_experiment(stores)
    events = [
        _event(
            record.id,
            number,
            at_ms=START + number * MINUTE_MS // 2,
            arm=number % 2,
            source="gate" if number % 5 == 0 else "policy",
        )
        for number in range(10)
    ]
    term = await stores.ledger.acquire(0, holder="me", ttl_s=60.0)
    assert term is not None
    for some in (events[:6], events[4:]):  # two of them come twice
        async with stores.ledger.step(0, term=term) as step:
            await step.put_decisions(some)
    return record.id


def _counts(sums: list[SelectionSum]) -> list[tuple[int, int, int, int]]:
    return [(one.start_ms - START, one.arm, one.selections, one.defaults) for one in sums]


async def test_totals_count_every_decision_once(stores: Stores) -> None:
    experiment = await _archived(stores)
    sums = await stores.insight.selections(experiment, span=Span(), interval_ms=None)
    assert sums == [
        SelectionSum(0, 0, 5, 1, START, START + 4 * MINUTE_MS),
        SelectionSum(0, 1, 5, 1, START + MINUTE_MS // 2, START + 9 * MINUTE_MS // 2),
    ]
    assert await stores.insight.contexts(experiment, span=Span()) == 4
    nobody = uuid4().hex
    assert await stores.insight.selections(nobody, span=Span(), interval_ms=None) == []
    assert await stores.insight.contexts(nobody, span=Span()) == 0


@pytest.mark.parametrize("interval_ms", [MINUTE_MS, 45_000])
async def test_intervals_are_multiples_since_1970(stores: Stores, interval_ms: int) -> None:
    experiment = await _archived(stores)
    span = Span(START, START + 2 * MINUTE_MS)
    sums = await stores.insight.selections(experiment, span=span, interval_ms=interval_ms)
    assert all(one.start_ms % interval_ms == 0 for one in sums)
    if interval_ms == MINUTE_MS:
        assert _counts(sums) == [(0, 0, 1, 1), (0, 1, 1, 0), (60_000, 0, 1, 0), (60_000, 1, 1, 0)]
    else:  # 6,000,000 = 133 · 45,000 + 15,000: intervals begin 15 s before START
        assert _counts(sums) == [
            (-15_000, 0, 1, 1),
            (30_000, 0, 1, 0),
            (30_000, 1, 1, 0),
            (75_000, 1, 1, 0),
        ]


@pytest.mark.parametrize(
    ("start", "end", "arms"),
    [
        (None, None, [5, 5]),
        (30_000, None, [4, 5]),
        (30_001, None, [4, 4]),
        (None, 30_000, [1, 0]),
        (10_000, 50_000, [0, 1]),
        (30_000, 4 * MINUTE_MS + 1, [4, 4]),
        (MINUTE_MS, 2 * MINUTE_MS, [1, 1]),
        (MINUTE_MS, MINUTE_MS, [0, 0]),
    ],
)
async def test_a_span_that_cuts_a_minute_is_exact(
    stores: Stores, start: int | None, end: int | None, arms: list[int]
) -> None:
    experiment = await _archived(stores)
    span = Span(*(None if edge is None else START + edge for edge in (start, end)))
    sums = await stores.insight.selections(experiment, span=span, interval_ms=None)
    found = {one.arm: one.selections for one in sums}
    assert [found.get(arm, 0) for arm in (0, 1)] == arms


async def test_contexts_of_a_span_are_counted_within_it(stores: Stores) -> None:
    experiment = await _archived(stores)
    span = Span(START, START + MINUTE_MS)
    assert await stores.insight.contexts(experiment, span=span) == 2


async def test_rewards_are_summed_by_the_time_at_which_they_came(stores: Stores) -> None:
    record = await stored_experiment(stores)
    batch = row_batch(1, first=0)
    assert batch.rows is not None
    rows = batch.rows
    term = await stores.ledger.acquire(0, holder="me", ttl_s=60.0)
    assert term is not None
    async with stores.ledger.step(0, term=term) as step:
        await step.append(record.id, committed(Batch(epoch=0, version=1, rows=rows)))
    sums = await stores.insight.rewards(record.id, span=Span(), interval_ms=None)
    by_arm = {
        arm: rows.rewards[rows.arms == arm].tolist() for arm in sorted(set(rows.arms.tolist()))
    }
    for one, (arm, paid) in zip(sums, by_arm.items(), strict=True):
        assert (one.start_ms, one.arm, one.count) == (0, arm, len(paid))
        assert one.total == pytest.approx(sum(paid))
        assert (one.smallest, one.largest) == (min(paid), max(paid))
    late = Span(int(rows.received_ms.max()) + 1, None)
    assert await stores.insight.rewards(record.id, span=late, interval_ms=None) == []


@pytest.mark.parametrize(
    ("start_min", "end_min"),
    [(None, None), (0, 300), (1, 299), (59, 61), (61, 119), (30, 150), (60, 180), (0.5, 240.5)],
)
async def test_hours_minutes_and_rows_add_up_to_the_span(
    stores: Stores, start_min: float | None, end_min: float | None
) -> None:
    record = await stored_experiment(stores)
    day_ms = 200 * HOUR_MS
    # One decision every quarter of a minute past …, 7 minutes apart, over five hours.
    times = [day_ms + number * 7 * MINUTE_MS + 15_000 for number in range(43)]
    term = await stores.ledger.acquire(0, holder="me", ttl_s=60.0)
    assert term is not None
    async with stores.ledger.step(0, term=term) as step:
        await step.put_decisions(
            [
                _event(record.id, number, at_ms=at_ms, arm=0, source="policy")
                for number, at_ms in enumerate(times)
            ]
        )
    edges = [
        None if one is None else day_ms + round(one * MINUTE_MS) for one in (start_min, end_min)
    ]
    span = Span(*edges)
    inside = [at_ms for at_ms in times if span.holds(at_ms)]
    sums = await stores.insight.selections(record.id, span=span, interval_ms=None)
    assert sum(one.selections for one in sums) == len(inside)
    if inside:
        assert (sums[0].first_ms, sums[0].last_ms) == (inside[0], inside[-1])
    for interval_ms in (HOUR_MS, 2 * HOUR_MS, 10 * MINUTE_MS, 45_000):
        by_interval = await stores.insight.selections(record.id, span=span, interval_ms=interval_ms)
        starts = [at_ms - at_ms % interval_ms for at_ms in inside]
        assert {one.start_ms: one.selections for one in by_interval} == Counter(starts)
