"""`Intake`, over every backend."""

from __future__ import annotations

import asyncio

import pytest

from qbrix.errors import StateMismatch
from serving.storage import codec
from serving.storage.base import FeedbackEvent, Intake
from serving.storage.reading import reaches, unpack_entries
from tests.storage.records import decision, feedback
from tests.waiting import PATIENCE_S

START = "0"


async def test_events_come_back_in_order_and_whole(intake: Intake) -> None:
    events = [feedback("e", number) for number in range(700)]
    await intake.append_feedback(0, events[:1])
    appended = await intake.append_feedback(0, events[1:])
    read = await intake.read_feedback(0, after=START, limit=10_000, block_ms=0)
    assert read.events == events
    assert read.position == appended.position
    assert read.damaged == []


async def test_feedback_and_decisions_of_each_shard_are_apart(intake: Intake) -> None:
    await intake.append_feedback(0, [feedback("e", 1)])
    await intake.append_feedback(1, [feedback("e", 2)])
    await intake.append_decisions(0, [decision("e", 3)])
    read = await intake.read_decisions(0, after=START, limit=9, block_ms=0)
    assert read.events == [decision("e", 3)]
    assert (await intake.read_feedback(0, after=START, limit=9, block_ms=0)).events == [
        feedback("e", 1)
    ]
    assert (await intake.read_decisions(1, after=START, limit=9, block_ms=0)).events == []


async def test_reading_goes_on_behind_a_position(intake: Intake) -> None:
    for number in range(10):
        await intake.append_feedback(0, [feedback("e", number)])
    seen: list[FeedbackEvent] = []
    position = START
    while True:
        read = await intake.read_feedback(0, after=position, limit=3, block_ms=0)
        if read.position == position:
            break
        assert len(read.events) == 3 or len(seen) == 9
        seen += read.events
        position = read.position
    assert seen == [feedback("e", number) for number in range(10)]


async def test_who_waits_is_woken_by_the_first_event(intake: Intake) -> None:
    waiting = asyncio.create_task(intake.read_feedback(0, after=START, limit=9, block_ms=30_000))
    await asyncio.sleep(0)
    await intake.append_feedback(0, [feedback("e", 1)])
    async with asyncio.timeout(PATIENCE_S):
        assert (await waiting).events == [feedback("e", 1)]


async def test_waiting_ends_by_itself(intake: Intake) -> None:
    read = await intake.read_feedback(0, after=START, limit=9, block_ms=10)
    assert (read.events, read.position) == ([], START)


async def test_what_was_trimmed_is_gone_and_nothing_else(intake: Intake) -> None:
    places = [await intake.append_feedback(0, [feedback("e", n)]) for n in range(4)]
    await intake.append_decisions(0, [decision("e", 1)])
    name = await intake.incarnation(0)
    await intake.trim(0, incarnation=name, feedback=places[1].position, decisions=START)
    left = await intake.read_feedback(0, after=START, limit=9, block_ms=0)
    assert left.events == [feedback("e", 2), feedback("e", 3)]
    assert await intake.backlog(0) == 2
    assert len((await intake.read_decisions(0, after=START, limit=9, block_ms=0)).events) == 1


async def test_streams_of_another_incarnation_are_not_trimmed(intake: Intake) -> None:
    place = await intake.append_feedback(0, [feedback("e", 1)])
    await intake.trim(0, incarnation="gone", feedback=place.position, decisions=START)
    assert await intake.backlog(0) == 1
    assert not reaches((await intake.look([0])).shards[0].passed, place.position)


async def test_a_position_that_was_trimmed_is_still_behind_what_follows(intake: Intake) -> None:
    position = (await intake.append_feedback(0, [feedback("e", 1)])).position
    name = await intake.incarnation(0)
    await intake.trim(0, incarnation=name, feedback=position, decisions=START)
    await intake.append_feedback(0, [feedback("e", 2)])
    read = await intake.read_feedback(0, after=position, limit=9, block_ms=0)
    assert read.events == [feedback("e", 2)]


async def test_an_incarnation_is_named_once(intake: Intake) -> None:
    names = await asyncio.gather(*(intake.incarnation(0) for _ in range(5)))
    assert len(set(names)) == 1
    assert names[0]
    assert await intake.incarnation(1) != names[0]


async def test_who_sends_hears_what_lies_unread_in_events_and_how_far_the_ledger_has_come(
    intake: Intake,
) -> None:
    first = await intake.append_feedback(0, [feedback("e", n) for n in range(300)])
    second = await intake.append_feedback(0, [feedback("e", n) for n in range(300, 305)])
    assert (first.unread, second.unread) == (300, 305)
    assert first.incarnation == second.incarnation == await intake.incarnation(0)
    await intake.trim(0, incarnation=first.incarnation, feedback=first.position, decisions=START)
    seen = await intake.look([0, 1])
    assert (seen.shards[0].incarnation, seen.shards[0].unread) == (first.incarnation, 5)
    assert reaches(seen.shards[0].passed, first.position)
    assert not reaches(seen.shards[0].passed, second.position)
    assert seen.shards[1].unread == 0
    assert seen.durability == await intake.durability()
    assert (await intake.append_feedback(0, [feedback("e", 305)])).unread == 6
    # Trimming again, or further back, changes nothing.
    await intake.trim(0, incarnation=first.incarnation, feedback=first.position, decisions=START)
    assert (await intake.look([0])).shards[0].unread == 6


@pytest.mark.parametrize(
    ("passed", "position", "reached"),
    [
        ("0", "0-1", False),
        ("5-2", "5-1", True),
        ("5-2", "5-2", True),
        ("5-2", "5-10", False),
        ("10-0", "9-99", True),
        ("7", "10", False),
    ],
)
def test_positions_are_numbers_not_words(passed: str, position: str, reached: bool) -> None:
    assert reaches(passed, position) is reached


async def test_the_embedded_server_keeps_what_it_acknowledges(intake: Intake) -> None:
    assert await intake.durability() in {"always", "memory"}


def test_a_number_beyond_64_bits_is_damage() -> None:
    with pytest.raises(StateMismatch, match="damaged"):
        codec.unpack_feedback(codec.pack_feedback([feedback("e", 2**63)]))
    with pytest.raises(StateMismatch, match="damaged"):
        codec.unpack_decisions(codec.pack_decisions([decision("e", 2**63)]))


def test_another_format_is_refused_by_its_number() -> None:
    with pytest.raises(StateMismatch, match="format 07"):
        codec.unpack_feedback(b"\x07" + codec.pack_feedback([feedback("e", 1)])[1:])


def test_reading_goes_past_what_is_damaged() -> None:
    good = [codec.pack_feedback([feedback("e", number)]) for number in range(3)]
    entries = [("1", good[0]), ("2", b"\x01nonsense"), ("3", b""), ("4", good[1]), ("5", good[2])]
    read = unpack_entries(entries, codec.unpack_feedback, after="0", limit=2)
    assert read.events == [feedback("e", 0), feedback("e", 1)]
    assert read.damaged == [b"\x01nonsense", b""]
    assert read.position == "4"
