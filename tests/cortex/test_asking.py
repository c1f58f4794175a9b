"""Who is behind relies on the ledger's keys, and learns what who asks first would learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import pytest

from qbrix.ledger import Disposition
from serving.cortex import asking, pace
from serving.storage.base import ExperimentRecord, FeedbackEvent, Key, Stores
from serving.storage.memory import memory_stores
from tests.cortex.scene import retraction
from tests.cortex.world import cortex_of, create, event, refolded

PORTION = 4
SHARDS = count(700)


class Watched:
    """A ledger that notes about how many rewards it is asked."""

    def __init__(self, stores: Stores) -> None:
        self._ledger = stores.ledger
        self.asked: list[int] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)

    async def known(self, keys: Sequence[Key]) -> set[Key]:
        """Asked about rewards."""
        self.asked.append(len(keys))
        return await self._ledger.known(keys)


@pytest.fixture(params=["memory", "servers"])
def watched(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> tuple[Stores, Watched]:
    """Stores whose portions are small, and what their ledger is asked."""
    monkeypatch.setattr(pace, "_MOST", PORTION)
    monkeypatch.setattr(asking, "_WARY", 2)
    stores = memory_stores() if request.param == "memory" else request.getfixturevalue("stores")
    ledger = Watched(stores)
    return replace(stores, ledger=ledger), ledger


async def _learns(stores: Stores, events: Sequence[FeedbackEvent]) -> None:
    """A cortex that begins when all of this waits."""
    first = await stores.ledger.experiment(events[0].experiment)
    assert first is not None
    for one in events:
        await stores.intake.append_feedback(first.shard, [one])
    await cortex_of(stores, shards=[first.shard]).drain()


async def _kinds(stores: Stores, record: ExperimentRecord) -> dict[str, int]:
    """Disposition by decision and feedback id."""
    await refolded(stores, record.id)
    found: dict[str, int] = {}
    for one in await stores.ledger.batches(record.id, after=0, limit=999):
        rows = one.batch.rows
        assert rows is not None
        for row, (number, word) in enumerate(
            zip(rows.decision_ids, rows.feedback_ids, strict=True)
        ):
            name = f"{int(number, 16)}{word}"
            assert name not in found
            found[name] = int(rows.dispositions[row])
    return found


async def test_what_waits_in_full_portions_is_not_asked_about_and_the_rest_is(
    watched: tuple[Stores, Watched],
) -> None:
    stores, ledger = watched
    record = await create(stores, shard=next(SHARDS))
    await _learns(stores, [event(record, number) for number in range(2 * PORTION + 1)])
    assert ledger.asked == [1]
    assert len(await _kinds(stores, record)) == 2 * PORTION + 1


async def test_what_comes_twice_is_counted_once_and_asked_about_until_nothing_comes_twice(
    watched: tuple[Stores, Watched],
) -> None:
    stores, ledger = watched
    record = await create(stores, shard=next(SHARDS))
    numbers = [*range(PORTION), 0, 4, 5, 6, *range(7, 7 + 4 * PORTION)]
    await _learns(stores, [event(record, number) for number in numbers])
    assert len(await _kinds(stores, record)) == len(set(numbers))
    # The second of six portions once it is refused, and those behind it: two that are written
    # clean, and perhaps one that was looked at before the second of these was.
    assert ledger.asked in ([PORTION] * 3, [PORTION] * 4)


async def test_what_was_taken_back_before_it_came_is_not_learned_by_who_is_behind(
    watched: tuple[Stores, Watched],
) -> None:
    stores, ledger = watched
    shard = next(SHARDS)
    record, other = await create(stores, shard=shard), await create(stores, shard=shard)
    early = retraction(event(record, 2, feedback_id="x"))
    await _learns(stores, [early])
    ledger.asked.clear()
    late = [event(record, number, feedback_id="x") for number in range(PORTION - 1)]
    await _learns(stores, [*late, event(other, 9)])
    assert ledger.asked == [PORTION - 1]  # not about the other's
    kinds = await _kinds(stores, record)
    assert kinds["2x"] == Disposition.RETRACTED
    assert kinds["0x"] == kinds["1x"] == Disposition.FOLDED
    assert await _kinds(stores, other) == {"9": Disposition.FOLDED}
