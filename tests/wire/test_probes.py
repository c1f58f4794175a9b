"""The small HTTP server of motor and cortex, as orchestrators and Prometheus meet it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from qbrix.errors import Unavailable
from serving.readiness import Pulses, Readiness
from serving.wire.probes import ProbeServer
from tests.waiting import PATIENCE_S

AWAY = Unavailable("it is away")
READY = Readiness(True)


@asynccontextmanager
async def probing(
    readiness: Readiness = READY,
) -> AsyncIterator[tuple[ProbeServer, httpx.AsyncClient]]:
    server = ProbeServer(
        host="127.0.0.1", port=0, readiness=lambda: readiness, expose=lambda: b"a_total 1.0\n"
    )
    port = await server.start()
    try:
        address = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client:
            yield server, client
    finally:
        await server.stop()


async def test_a_role_tells_that_it_lives_is_ready_and_what_it_counted() -> None:
    async with probing(Readiness(True, {"age_s": 1.5})) as (_, client):
        assert (await client.get("/livez")).json() == {"status": "alive"}
        ready = await client.get("/readyz?verbose")
        assert (ready.status_code, ready.json()) == (200, {"status": "ready", "age_s": 1.5})
        metrics = await client.get("/metrics")
        assert metrics.text == "a_total 1.0\n"
        assert metrics.headers["content-type"].startswith("text/plain")


async def test_who_is_not_ready_says_so_with_what_there_is_to_know() -> None:
    async with probing(Readiness(False, {"why": "no state"})) as (_, client):
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json() == {"status": "not ready", "why": "no state"}
        assert (await client.get("/livez")).status_code == 200


async def test_who_leaves_is_not_ready_but_lives() -> None:
    async with probing() as (server, client):
        server.leave()
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "draining")
        assert (await client.get("/livez")).status_code == 200


async def test_other_paths_and_methods_are_told_what_there_is() -> None:
    async with probing() as (_, client):
        missing = await client.get("/")
        assert (missing.status_code, missing.json()["code"]) == (404, "NOT_FOUND")
        refused = await client.post("/readyz")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
        head = await client.head("/metrics")
        assert (head.status_code, head.text, head.headers["content-length"]) == (200, "", "12")


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"nonsense\r\n\r\n", b"GET /livez", b"x" * 100_000])
async def test_nonsense_harms_nobody(sent: bytes) -> None:
    async with probing() as (_, client):
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(sent)
        writer.write_eof()
        answer = b""
        with suppress(ConnectionResetError):  # of who has not listened to the end
            async with asyncio.timeout(PATIENCE_S):
                answer = await reader.read()
        writer.close()
        assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 405")) or answer == b""
        assert (await client.get("/livez")).status_code == 200


async def test_a_port_that_is_taken_is_told() -> None:
    async with probing() as (_, client):
        port = client.base_url.port
        assert port is not None
        other = ProbeServer(
            host="127.0.0.1", port=port, readiness=lambda: Readiness(True), expose=bytes
        )
        with pytest.raises(Unavailable, match=f"{port}.*free the port or choose another"):
            await other.start()


async def test_pulses_tell_when_each_answered_last() -> None:
    now_s = 0.0
    away = True

    async def redis() -> None:
        if away:
            raise AWAY

    async def postgres() -> None:
        """It is there."""

    pulses = Pulses({"redis": redis, "postgres": postgres}, clock=lambda: now_s)
    now_s = 10.0
    await pulses.look()
    now_s = 12.0
    assert pulses.ages_s() == {"redis": None, "postgres": 2.0}
    assert (pulses.answers("redis"), pulses.answers("postgres")) == (False, True)
    away = False
    await pulses.look()
    now_s = 13.0
    away = True
    await pulses.look()
    assert pulses.ages_s() == {"redis": 1.0, "postgres": 0.0}
    assert not pulses.answers("redis")
    assert json.dumps(pulses.ages_s())
