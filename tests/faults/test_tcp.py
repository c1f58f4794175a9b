"""The proxy that misbehaves does so as it is told, and not otherwise."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.faults.tcp import FaultyWire
from tests.waiting import PATIENCE_S, eventually

SLOW_S = 0.05


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """The port of a server that answers each line with itself, after what it noted."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
def wire(echo: int) -> Iterator[FaultyWire]:
    made = FaultyWire(lambda: echo).start()
    yield made
    made.stop()


async def connected(wire: FaultyWire) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", wire.port)


async def asked(link: tuple[asyncio.StreamReader, asyncio.StreamWriter], line: bytes) -> bytes:
    link[1].write(line)
    await link[1].drain()
    return await asyncio.wait_for(link[0].readline(), PATIENCE_S)


async def refused_by(wire: FaultyWire) -> None:
    """A reset may come while connecting, or later."""
    assert await asked(await connected(wire), b"hello\n") == b""
    raise ConnectionError("closed")


async def test_bytes_pass_both_ways(wire: FaultyWire) -> None:
    link = await connected(wire)
    assert await asked(link, b"hello\n") == b"hello\n"
    link[1].close()


async def test_latency_counts_once_each_way(wire: FaultyWire) -> None:
    link = await connected(wire)
    wire.latency_s = SLOW_S
    began_s = time.monotonic()
    assert await asked(link, b"hello\n") == b"hello\n"
    assert time.monotonic() - began_s >= 2 * SLOW_S
    link[1].close()


async def test_a_reset_is_a_reset_and_a_new_link_is_welcome(wire: FaultyWire) -> None:
    link = await connected(wire)
    await asked(link, b"hello\n")
    wire.reset()
    with pytest.raises(ConnectionResetError):
        await asked(link, b"hello\n")
    again = await connected(wire)
    assert await asked(again, b"hello\n") == b"hello\n"
    again[1].close()


async def test_who_is_refused_gets_no_answer_until_the_wire_is_healed(wire: FaultyWire) -> None:
    wire.refuse()
    with pytest.raises(ConnectionError):
        await refused_by(wire)
    wire.heal()
    link = await connected(wire)
    assert await asked(link, b"hello\n") == b"hello\n"
    link[1].close()


async def test_an_answer_is_cut_after_so_many_bytes_once(wire: FaultyWire) -> None:
    link = await connected(wire)
    wire.cut_after_bytes = 9
    assert await asked(link, b"hello\n") == b"hello\n"
    link[1].write(b"world\n")
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(link[0].readexactly(6), PATIENCE_S)
    assert wire.cut == 1
    again = await connected(wire)
    assert await asked(again, b"hello again\n") == b"hello again\n"
    again[1].close()


async def test_a_half_open_link_swallows_and_is_reset_by_healing(wire: FaultyWire) -> None:
    link = await connected(wire)
    await asked(link, b"hello\n")
    wire.half_open = True
    link[1].write(b"anybody?\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(link[0].readline(), SLOW_S)
    wire.heal()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(link[0].readline(), PATIENCE_S)


async def test_the_request_passes_and_its_answer_is_lost(wire: FaultyWire) -> None:
    link, other = await connected(wire), await connected(wire)
    wire.deaf_after = b"COMMIT"
    assert await asked(link, b"INSERT\n") == b"INSERT\n"
    with pytest.raises(ConnectionResetError):
        await asked(link, b"COMMIT\n")
    assert wire.deafened == 1
    assert await asked(other, b"COMMIT\n") == b"COMMIT\n"
    other[1].close()


async def test_a_link_falls_silent_after_a_word_and_the_others_do_not(wire: FaultyWire) -> None:
    link, other = await connected(wire), await connected(wire)
    wire.mute_after = b"INSERT"
    link[1].write(b"INSERT\n")
    await eventually(lambda: wire.muted == 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(link[0].readline(), SLOW_S)
    assert await asked(other, b"INSERT\n") == b"INSERT\n"
    link[1].close()
    other[1].close()
