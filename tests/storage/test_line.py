"""Commands one behind another: every asker has the answer to what was asked, or none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from redis.exceptions import ConnectionError as Broken

from serving.storage.redis import RedisConnection, RedisIntake
from serving.storage.redis.line import Line
from tests.faults.tcp import FaultyWire
from tests.storage.records import feedback
from tests.waiting import PATIENCE_S

SHORT_S = 0.2


@asynccontextmanager
async def opened(url: str, *, patience_s: float = PATIENCE_S) -> AsyncIterator[Line]:
    connection = RedisConnection(url)
    line = Line(connection.commands.connection_pool, patience_s=patience_s)
    yield line
    line.close()
    await connection.close()


async def test_those_who_ask_at_the_same_time_have_their_own_answers(fresh_redis_url: str) -> None:
    async with opened(fresh_redis_url) as line:
        answers = await asyncio.gather(*(line.ask("INCRBY", "n", 1) for _ in range(100)))
        assert answers == [b":%d" % number for number in range(1, 101)]
        assert await line.ask("SET", b"\r\n\xff", "ü\r\n") == b"+OK"
        assert (await line.ask("HGET", "n", "field")).startswith(b"-WRONGTYPE")


async def test_who_stops_waiting_leaves_no_answer_to_others(fresh_redis_url: str) -> None:
    async with opened(fresh_redis_url) as line:
        await line.ask("SET", "n", 10)
        gone, other = (asyncio.create_task(line.ask("INCR", "n")) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        with pytest.raises(Broken):
            await other
        assert await line.ask("SET", "n", 0) == b"+OK"
        assert await line.ask("INCR", "n") == b":1"


async def test_a_line_that_fell_silent_is_hung_up_and_opened_again(fresh_redis_url: str) -> None:
    address = urlsplit(fresh_redis_url)
    assert address.port is not None
    port = address.port
    wire = FaultyWire(lambda: port).start()
    try:
        url = fresh_redis_url.replace(f":{port}", f":{wire.port}")
        async with opened(url, patience_s=SHORT_S) as line:
            assert await line.ask("INCR", "n") == b":1"
            wire.half_open = True
            with pytest.raises(Broken):
                await line.ask("INCR", "m")
            wire.heal()
            assert await line.ask("INCR", "n") == b":2"
    finally:
        wire.stop()


async def test_a_server_that_forgot_the_script_is_told_it_again(fresh_redis_url: str) -> None:
    connection = RedisConnection(fresh_redis_url)
    intake = RedisIntake(connection)
    first = await intake.append_feedback(0, [feedback("e", 0)])
    await connection.command("SCRIPT", "FLUSH")
    second = await intake.append_feedback(0, [feedback("e", 1)])
    assert (first.unread, second.unread) == (1, 2)
    assert first.incarnation == second.incarnation
    await connection.close()
