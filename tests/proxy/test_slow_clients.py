"""Over real sockets: clients that send slowly, without end, or no HTTP at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from serving.proxy.http.app import build_app
from serving.proxy.http.server import HttpServer
from serving.settings import ProxySettings
from tests.proxy.world import World, open_world
from tests.waiting import PATIENCE_S

_DEADLINE_S = 0.2
_HEAD = b"POST /api/v1/pools HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[tuple[World, int]]:
    async with open_world() as world:
        server = HttpServer(build_app(world.gateway), ProxySettings(http_port=0, **settings))
        port = await server.start()
        try:
            yield world, port
        finally:
            world.gateway.drain()
            await server.stop()


async def _said(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    """Everything until the server hangs up."""
    data = await asyncio.wait_for(reader.read(), timeout=PATIENCE_S)
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), json.loads(body)


def _key(world: World) -> bytes:
    return b"X-API-Key: " + world.http.headers["X-API-Key"].encode() + b"\r\n"


@pytest.mark.parametrize("sent", [b"P", b"POST /api/v1/po", _HEAD])
async def test_a_head_that_does_not_end_is_408(sent: bytes) -> None:
    async with served(head_deadline_s=_DEADLINE_S) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        status, error = await _said(reader)
        assert (status, error["code"]) == (408, "REQUEST_TIMEOUT")
        writer.close()


@pytest.mark.parametrize("path", [b"/api/v1/pools", b"/api/v1/agent/select", b"/api/auth/login"])
async def test_a_body_that_comes_drop_by_drop_is_408_when_its_time_is_over(path: bytes) -> None:
    async with served(body_deadline_s=_DEADLINE_S) as (world, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = _HEAD.replace(b"/api/v1/pools", path)
        writer.write(head + _key(world) + b"Content-Length: 100000\r\n\r\n")

        async def drip() -> None:
            while not reader.at_eof():
                writer.write(b" ")
                await asyncio.sleep(_DEADLINE_S / 10)

        dripping = asyncio.create_task(drip())
        status, error = await _said(reader)
        assert (status, error["code"]) == (408, "REQUEST_TIMEOUT")
        dripping.cancel()
        writer.close()


async def test_a_client_that_thinks_between_requests_is_not_cut_off() -> None:
    deadline_s = 1.0
    async with served(head_deadline_s=deadline_s, body_deadline_s=deadline_s) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for thinks_s in (0.0, 1.5 * deadline_s):
            await asyncio.sleep(thinks_s)
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = await reader.readuntil(b"}")
            assert b" 200 " in answer
        writer.close()


@pytest.mark.parametrize("path", [b"/livez", b"/api/v1/agent/select"])
async def test_a_client_that_wants_nothing_more_is_let_go_without_a_word(
    monkeypatch: pytest.MonkeyPatch, path: bytes
) -> None:
    monkeypatch.setattr("serving.proxy.http.server._KEEP_ALIVE_S", _DEADLINE_S)
    async with served() as (world, port):
        made = await world.experiment()
        body = json.dumps({"experiment_id": made["id"], "context": {"id": "u"}}).encode()
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        asks = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
        if path != b"/livez":
            asks = _HEAD.replace(b"/api/v1/pools", path) + _key(world) + length + body
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asks)
        data = await asyncio.wait_for(reader.read(), timeout=PATIENCE_S)
        assert b" 200 " in data
        assert data.count(b"HTTP/1.1") == 1
        writer.close()


async def test_what_is_sent_after_the_answer_is_read_to_its_end() -> None:
    async with served() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        size = 1 << 20
        writer.write(_HEAD + b"Content-Length: %d\r\n\r\n" % size)
        assert b" 401 " in await reader.readuntil(b"}")
        writer.write(b" " * size + b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"}"), timeout=PATIENCE_S)
        writer.close()


@pytest.mark.parametrize("begun", [b"GET /", _HEAD + b"X-Long: ", _HEAD + b"X: x\r\n" * 20_000])
async def test_an_address_or_headers_without_end_are_431(begun: bytes) -> None:
    async with served() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun.ljust((128 << 10) + 1, b"x"))
        status, error = await _said(reader)
        assert (status, error["code"]) == (431, "HEADERS_TOO_LARGE")
        writer.close()


@pytest.mark.parametrize(("length", "status"), [(50_000, 404), (100_000, 400)])
async def test_a_long_address_is_nowhere_and_a_longer_one_is_none(length: int, status: int) -> None:
    async with served() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        address = b"/" + b"x" * length
        writer.write(b"GET " + address + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await _said(reader))[0] == status
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS greeting
        b"hello\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        _HEAD + b"Content-Length: -1\r\n\r\n",
        _HEAD + b"Content-Length: 1e999\r\n\r\n",
        _HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_400_in_the_form_of_all_errors(sent: bytes) -> None:
    async with served() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        status, error = await _said(reader)
        assert (status, error["code"]) == (400, "BAD_REQUEST")
        writer.close()
