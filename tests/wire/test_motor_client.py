"""Between proxy and motor: nothing changes on the way, and what waits rides together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbrix.errors import NotFound, QbrixError, ShapeError, Unavailable
from serving.wire.convert import (
    read_answers,
    read_queries,
    write_answers,
    write_health,
    write_link,
    write_queries,
)
from serving.wire.health import check_health
from serving.wire.link import Link
from serving.wire.link_server import LinkServer
from serving.wire.motor_client import MotorClient
from serving.wire.selection import Outcome, Query, Unreachable
from serving.wire.server import GrpcServer
from tests.waiting import PATIENCE_S, eventually

SERVICE = "qbrix.motor.MotorService"
UNIT = st.floats(0, 1)
SLOW = 0
PAUSE_S = 0.01
LATE_S = 5.0  # long enough for a slow machine to be in time with everything else
COUNT = st.integers(0, 2**62)

both_ways = pytest.mark.parametrize("link", [True, False], ids=["link", "grpc"])

queries = st.builds(Query, st.text(), st.text(), st.text(), st.binary(max_size=64))
outcomes = st.builds(
    Outcome,
    arm=st.integers(0, 2**31),
    u=UNIT,
    low=UNIT,
    propensity=UNIT,
    recorded=st.lists(st.floats(allow_nan=False), max_size=4).map(tuple),
    epoch=COUNT,
    version=COUNT,
    age_ms=COUNT,
)


@settings(max_examples=50)
@given(COUNT, st.lists(queries, max_size=5))
def test_queries_arrive_as_they_were_sent(number: int, asked: list[Query]) -> None:
    assert read_queries(write_queries(number, asked)) == (number, asked)


@settings(max_examples=50)
@given(COUNT, st.lists(outcomes, max_size=5))
def test_outcomes_arrive_as_they_were_sent(number: int, made: list[Outcome]) -> None:
    assert read_answers(write_answers(number, made)) == (number, made)


def test_errors_arrive_as_what_they_were_and_where_they_were() -> None:
    sent: list[Outcome | QbrixError] = [
        NotFound("experiment", "e"),
        outcome(1),
        ShapeError("context has 2 features"),
        Unavailable("later", retry_after_s=3.0),
    ]
    _, got = read_answers(write_answers(0, sent))
    assert [(type(one), str(one)) for one in got] == [(type(one), str(one)) for one in sent]
    assert isinstance(got[3], Unavailable)
    assert got[3].retry_after_s == 3.0


class Motor:
    """Answers each query with its own number; can be told to wait with the slow one.

    Without a link it is one of a release that had none.
    """

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.nonsense = b""
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()
        self.link = LinkServer(self.decide, host="127.0.0.1", port=0)
        self.link_port = 0

    async def decide(self, request: bytes, _: Any = None) -> bytes:
        number, asked = read_queries(request)
        self.calls.append(len(asked))
        self.asked.set()
        if asked[0].decision_id == str(SLOW):
            await self.go.wait()
        return self.nonsense or write_answers(
            number, [outcome(int(query.decision_id)) for query in asked]
        )

    async def health(self, _: bytes, __: Any) -> bytes:
        return write_health(serving=True)

    async def where(self, _: bytes, __: Any) -> bytes:
        return write_link(self.link_port)


def outcome(number: int) -> Outcome:
    return Outcome(number, 0.5, 0.0, 1.0, (), 0, 0, 0)


@asynccontextmanager
async def connected(*, link: bool, **options: Any) -> AsyncIterator[tuple[Motor, MotorClient]]:
    motor = Motor()
    if link:
        motor.link_port = await motor.link.start()
    server = GrpcServer(
        {SERVICE: {"Health": motor.health} | ({"Link": motor.where} if link else {})},
        streams={} if link else {SERVICE: {"DecideGroups": motor.decide}},
        address="127.0.0.1:0",
        healthy=lambda: True,
    )
    port = await server.start()
    client = MotorClient(f"127.0.0.1:{port}", **{"deadline_s": PATIENCE_S, **options})
    await client.start()
    try:
        yield motor, client
    finally:
        motor.go.set()
        await client.stop()
        await motor.link.stop(grace_s=PATIENCE_S)
        await server.stop(grace_s=0)


async def ask(client: MotorClient, numbers: Sequence[int]) -> list[int]:
    answers = await client.decide([Query("t", "e", str(number)) for number in numbers])
    return [answer.arm for answer in answers if isinstance(answer, Outcome)]


@both_ways
async def test_everybody_gets_the_answer_to_the_own_question(link: bool) -> None:
    async with connected(link=link) as (_, client):
        answers = await asyncio.gather(*(ask(client, [n, n + 1]) for n in range(0, 500, 2)))
        assert answers == [[n, n + 1] for n in range(0, 500, 2)]


@both_ways
async def test_what_waits_rides_together_and_nothing_waits_for_a_timer(link: bool) -> None:
    async with connected(link=link, under_way=1, together=64) as (motor, client):
        motor.go.clear()
        first = asyncio.create_task(ask(client, [SLOW]))
        await eventually(motor.asked.is_set)
        rest = [asyncio.create_task(ask(client, [number])) for number in range(1, 101)]
        await asyncio.sleep(0)
        motor.go.set()
        await asyncio.gather(first, *rest)
        assert motor.calls == [1, 64, 36]


@both_ways
async def test_a_group_that_takes_long_holds_up_no_other(link: bool) -> None:
    async with connected(link=link, under_way=2) as (motor, client):
        motor.go.clear()
        slow = asyncio.create_task(ask(client, [SLOW]))
        await eventually(motor.asked.is_set)
        assert await ask(client, [1]) == [1]
        assert not slow.done()
        motor.go.set()
        assert await slow == [SLOW]


@both_ways
async def test_who_asks_a_motor_that_lets_others_wait_is_sent_on_with_them(link: bool) -> None:
    async with connected(link=link, under_way=1, deadline_s=LATE_S) as (motor, client):
        motor.go.clear()
        first = asyncio.create_task(ask(client, [SLOW]))
        await eventually(motor.asked.is_set)
        second = asyncio.create_task(ask(client, [1]))
        answers = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unreachable] * 2
        assert motor.calls == [1]


@both_ways
async def test_a_motor_that_hangs_is_given_up_after_the_deadline(link: bool) -> None:
    async with connected(link=link, deadline_s=LATE_S) as (motor, client):
        motor.go.clear()
        with pytest.raises(Unreachable, match="did not answer in time"):
            await ask(client, [SLOW])
        motor.go.set()
        assert await ask(client, [1]) == [1]


async def test_a_motor_of_a_release_that_knows_no_groups_is_unreachable_at_once() -> None:
    motor = Motor()
    services = {SERVICE: {"Health": motor.health}}
    server = GrpcServer(services, address="127.0.0.1:0", healthy=lambda: True)
    client = MotorClient(f"127.0.0.1:{await server.start()}", deadline_s=PATIENCE_S)
    await client.start()
    with pytest.raises(Unreachable, match="does not answer"):
        await ask(client, [1])
    await client.stop()
    await server.stop(grace_s=0)


@both_ways
async def test_a_motor_that_answers_nonsense_is_unreachable_and_asked_again(link: bool) -> None:
    async with connected(link=link) as (motor, client):
        motor.nonsense = b"\xff"
        with pytest.raises(Unreachable, match="hung up"):
            await ask(client, [1])
        motor.nonsense = b""
        assert await ask(client, [1]) == [1]


async def test_a_link_that_cannot_be_reached_is_gone_without() -> None:
    motor = Motor()
    server = GrpcServer(
        {SERVICE: {"Link": motor.where}},
        streams={SERVICE: {"DecideGroups": motor.decide}},
        address="127.0.0.1:0",
        healthy=lambda: True,
    )
    motor.link_port = await motor.link.start()
    await motor.link.stop(grace_s=0)
    client = MotorClient(f"127.0.0.1:{await server.start()}", deadline_s=PATIENCE_S)
    await client.start()
    assert await ask(client, [1, 2]) == [1, 2]
    await client.stop()
    await server.stop(grace_s=0)


async def test_a_motor_that_goes_answers_all_who_were_not_refused() -> None:
    async with connected(link=True, under_way=1) as (motor, client):
        motor.go.clear()
        asked = [asyncio.create_task(ask(client, [SLOW]))]
        await eventually(motor.asked.is_set)
        asked.append(asyncio.create_task(ask(client, [1])))
        leaving = asyncio.create_task(motor.link.stop(grace_s=PATIENCE_S))

        async def ask_until_refused() -> None:
            while not asked[-1].done():
                asked.append(asyncio.create_task(ask(client, [2])))
                await asyncio.sleep(PAUSE_S)
            await asked.pop()

        with pytest.raises(Unreachable, match="hung up"):
            await asyncio.wait_for(ask_until_refused(), PATIENCE_S)
        motor.go.set()
        first, second, *rest = await asyncio.gather(*asked)
        assert (first, second) == ([SLOW], [1])
        assert all(one == [2] for one in rest)
        await leaving


@pytest.mark.parametrize("pieces", [1, 2, 3, 7])
def test_messages_arrive_whole_however_the_network_cuts_them(pieces: int) -> None:
    class Heard(Link):
        def heard(self, message: bytes) -> None:
            got.append(message)

    got: list[bytes] = []
    sent = [b"one", b"", b"x" * 300, b"\0\0\0\1", b"last"]
    data = b"".join(len(one).to_bytes(4, "big") + one for one in sent)
    link = Heard()
    for start in range(0, len(data), pieces):
        link.data_received(data[start : start + pieces])
    assert got == sent


async def test_without_a_motor_the_answer_is_unavailable() -> None:
    client = MotorClient("127.0.0.1:1", deadline_s=PATIENCE_S)
    await client.start()
    with pytest.raises(Unreachable, match="does not answer"):
        await client.decide([Query("t", "e", "0")])
    with pytest.raises(Unavailable):
        await client.ping()
    await client.stop()


async def test_too_many_who_wait_are_refused_at_once() -> None:
    async with connected(link=True, limit=2) as (_, client):
        with pytest.raises(Unavailable, match="too many"):
            await ask(client, [0, 1, 2])


async def test_a_server_tells_its_health() -> None:
    healthy = True
    server = GrpcServer({}, address="127.0.0.1:0", healthy=lambda: healthy)
    port = await server.start()
    await check_health(f"127.0.0.1:{port}", deadline_s=PATIENCE_S)
    healthy = False
    with pytest.raises(Unavailable, match="does not serve"):
        await check_health(f"127.0.0.1:{port}", deadline_s=PATIENCE_S)
    await server.stop(grace_s=0)
    with pytest.raises(Unavailable, match="does not answer"):
        await check_health(f"127.0.0.1:{port}", deadline_s=0.5)


async def test_a_motor_tells_whether_it_serves() -> None:
    async with connected(link=True) as (_, client):
        await client.ping()
