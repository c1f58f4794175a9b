"""While one portion is written the next one is learned; nobody waits for that, and it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from qbrix.bundle import TrustedKeys
from qbrix.errors import Unavailable
from serving.cortex import pace
from serving.cortex.closings import Closings
from serving.cortex.deployments import Deployments
from serving.cortex.foresight import Guess
from serving.cortex.groups import Groups
from serving.cortex.lessons import Lesson
from serving.failpoints import FailpointReached, armed
from serving.loading import PolicyLoader
from serving.storage.base import ExperimentRecord, Key, LedgerStep, Stores
from serving.storage.memory import memory_stores
from serving.storage.records_windows import Progress
from tests.cortex.world import cortex_of, create, event, refolded
from tests.waiting import PATIENCE_S, eventually

PORTION = 4
AHEAD = f"asked {PORTION}"  # about the second portion


class Watched:
    """A ledger that notes when it is asked and written, and answers when it is let."""

    def __init__(self, stores: Stores) -> None:
        self._ledger = stores.ledger
        self.noted: list[str] = []
        self.holds = self.refuses = ""  # this question waits; this one is not answered, once
        self.awaits = 0  # no step ends before so many questions
        self.answers = asyncio.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)

    async def known(self, keys: Sequence[Key]) -> set[Key]:
        """Asked about a portion that begins with this decision."""
        question = f"asked {min(int(key[2], 16) for key in keys)}"
        self.noted.append(question)
        if question == self.holds:
            await self.answers.wait()
        if question == self.refuses:
            self.refuses = ""
            raise Unavailable("the ledger is away")
        return await self._ledger.known(keys)

    async def marked(self, experiments: Sequence[str]) -> set[str]:
        """Every experiment, so that the ledger is asked."""
        return set(experiments)

    @asynccontextmanager
    async def step(self, shard: int, *, term: int) -> AsyncIterator[LedgerStep]:
        """A step that takes its time."""
        async with self._ledger.step(shard, term=term) as step:
            yield step
            await eventually(lambda: len(self.noted) >= self.awaits)
        self.noted.append("wrote")


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> tuple[Stores, Watched]:
    """Stores whose portions are small, and what their ledger sees."""
    monkeypatch.setattr(pace, "_MOST", PORTION)
    stores = memory_stores()
    ledger = Watched(stores)
    return replace(stores, ledger=ledger), ledger  # type: ignore[arg-type]


async def _waits(stores: Stores, portions: int) -> ExperimentRecord:
    """So many full portions of an experiment."""
    record = await create(stores)
    for number in range(PORTION * portions):
        await stores.intake.append_feedback(0, [event(record, number)])
    return record


async def _counted(stores: Stores, record: ExperimentRecord) -> float:
    pulls: float = (await refolded(stores, record.id)).state.successes.sum()  # type: ignore[attr-defined]
    return pulls


async def _learned_in_two(stores: Stores) -> None:
    """Two full portions, the second looked at before the first is written (else it waits on)."""
    record = await _waits(stores, 2)
    await cortex_of(stores).drain()
    assert await _counted(stores, record) == 2 * PORTION


async def test_the_ledger_is_asked_once_for_a_portion_and_while_it_writes_the_one_before(
    watched: tuple[Stores, Watched],
) -> None:
    stores, ledger = watched
    ledger.awaits = 2
    await _learned_in_two(stores)
    assert ledger.noted[:4] == ["asked 0", AHEAD, "wrote", "wrote"]
    assert ledger.noted.count(AHEAD) == 1


async def test_what_is_written_is_published_while_the_next_portion_waits_for_its_answer(
    watched: tuple[Stores, Watched],
) -> None:
    stores, ledger = watched
    record = await _waits(stores, 2)
    ledger.holds = AHEAD
    cortex = cortex_of(stores, lease_ttl_s=PATIENCE_S)
    async with asyncio.timeout(PATIENCE_S):
        await cortex.start()
        await eventually(lambda: cortex.metrics.publications.total("published") == 1)
        copy = await stores.channel.fetch(record.id)
        assert copy is not None
        assert copy.version == 1
        assert ledger.noted.count("wrote") == 1
        ledger.answers.set()
        await cortex.drain()
        await cortex.stop()
    assert await _counted(stores, record) == 2 * PORTION


async def test_a_step_that_fails_ends_what_was_learned_ahead_of_it(
    watched: tuple[Stores, Watched],
) -> None:
    stores, ledger = watched
    record = await _waits(stores, 3)
    ledger.holds, ledger.awaits = AHEAD, 2
    before = asyncio.all_tasks()
    cortex = cortex_of(stores)
    with armed("cortex.after_commit:raise"), pytest.raises(FailpointReached):
        await cortex.drain()
    assert ledger.noted == ["asked 0", AHEAD, "wrote"]
    await eventually(lambda: asyncio.all_tasks() == before)
    ledger.answers.set()
    await cortex.drain()
    assert await _counted(stores, record) == 3 * PORTION


async def test_what_the_ledger_does_not_answer_ahead_it_is_asked_again_in_turn(
    watched: tuple[Stores, Watched],
) -> None:
    stores, ledger = watched
    ledger.refuses, ledger.awaits = AHEAD, 2
    await _learned_in_two(stores)
    assert ledger.noted.count(AHEAD) == 2


async def test_what_is_being_written_is_not_taken_for_new_when_it_comes_again_in_the_next_portion(
    watched: tuple[Stores, Watched],
) -> None:
    stores, ledger = watched
    record, other = await create(stores), await create(stores)
    first = [*(event(record, n) for n in (0, 1, 2)), event(other, 97)]
    for one in [*first, event(record, 2), event(record, 3), event(other, 98), event(other, 99)]:
        await stores.intake.append_feedback(0, [one])
    ledger.awaits = 2  # the ledger does not have the first portion when it is asked ahead
    await cortex_of(stores).drain()
    assert ledger.noted[:3] == ["asked 0", "asked 98", "wrote"]
    assert await _counted(stores, record) == 4
    assert await _counted(stores, other) == 3


@pytest.mark.parametrize("closed_meanwhile", [False, True])
async def test_a_guess_holds_only_as_far_as_windows_were_closed_when_it_was_made(
    closed_meanwhile: bool,
) -> None:
    stores = memory_stores()
    record = await create(stores)
    loader = PolicyLoader(stores.ledger.bundle, TrustedKeys())
    deployments = Deployments(stores.ledger, loader)
    head = await deployments.get(record.id)
    assert head is not None
    closings = Closings(stores.windows, deployments, grace_ms=0)
    lesson = Lesson(head=head, events=[event(record, 0)], closed=closings.of(record.id))
    guess = Guess(lesson, lesson.learned(known=()))
    if closed_meanwhile:
        closings.stored(record.id, Progress(1, "f" * 32))
    groups = Groups(
        events={record.id: lesson.events},
        heads={record.id: head},
        dead=[],
        pasts={},
        behind={},
        closings=closings,
        guesses={record.id: guess},
    )
    found = (await groups.learned(stores.ledger, asks=True))[record.id]
    assert (found is guess.learned) is not closed_meanwhile
