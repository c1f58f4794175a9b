"""Over real sockets: going without resetting anybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest

from qbrix.errors import Unavailable
from serving.proxy.http.app import build_app
from serving.proxy.http.server import HttpServer
from serving.settings import ProxySettings
from tests.proxy.outage import SteerableIntake, switched_stores
from tests.proxy.world import World, open_world
from tests.waiting import PATIENCE_S


@asynccontextmanager
async def served(world: World) -> AsyncIterator[tuple[HttpServer, httpx.AsyncClient]]:
    server = HttpServer(build_app(world.gateway), ProxySettings(http_port=0))
    port = await server.start()
    headers = {"X-API-Key": world.http.headers["X-API-Key"]}
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=PATIENCE_S
        ) as http:
            yield server, http
    finally:
        await server.stop()


async def test_what_is_under_way_is_answered_when_the_proxy_goes() -> None:
    async with (
        open_world(switched_stores(), durability="always") as world,
        served(world) as served_,
    ):
        server, http = served_
        store = world.stores.intake
        assert isinstance(store, SteerableIntake)
        experiment = await world.experiment()
        body = {"experiment_id": experiment["id"], "context": {"id": "u"}}
        selected = await http.post("/api/v1/agent/select", json=body)
        assert "connection" not in selected.headers
        store.go.clear()
        reward = {"request_id": selected.json()["request_id"], "reward": 1}
        waiting = asyncio.create_task(http.post("/api/v1/agent/feedback", json=reward))
        await store.asked.wait()
        world.gateway.drain()
        late = await http.post("/api/v1/agent/select", json=body)
        assert late.status_code == 200
        assert late.headers["connection"] == "close"
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0.05)
        store.go.set()
        answer = await waiting
        assert answer.status_code == 201
        assert answer.headers["connection"] == "close"
        await stopping
        with pytest.raises(httpx.ConnectError):
            await http.get("/livez")


async def test_a_load_of_requests_meets_no_reset_while_the_proxy_drains() -> None:
    async with open_world() as world, served(world) as served_:
        server, http = served_
        experiment = await world.experiment()
        body = {"experiment_id": experiment["id"], "context": {"id": "u"}}
        statuses: list[int] = []
        going = asyncio.Event()

        async def user() -> None:
            with suppress(httpx.ConnectError):  # who finds the door closed was not cut off
                while not world.gateway.draining:
                    answer = await http.post("/api/v1/agent/select", json=body)
                    statuses.append(answer.status_code)
                    if len(statuses) > 50:
                        going.set()

        users = [asyncio.create_task(user()) for _ in range(20)]
        await going.wait()
        world.gateway.drain()
        await server.stop()
        await asyncio.gather(*users)
        assert set(statuses) == {200}


async def test_who_connects_until_the_end_is_answered_or_not_let_in_but_never_reset() -> None:
    async with open_world() as world, served(world) as served_:
        server, http = served_
        experiment = await world.experiment()
        body = {"experiment_id": experiment["id"], "context": {"id": "u"}}
        statuses: list[int] = []
        going = asyncio.Event()

        async def user() -> None:
            with suppress(httpx.ConnectError):
                while True:
                    answer = await http.post("/api/v1/agent/select", json=body)
                    statuses.append(answer.status_code)
                    if len(statuses) > 50:
                        going.set()

        users = [asyncio.create_task(user()) for _ in range(20)]
        await going.wait()
        world.gateway.drain()
        await server.stop()
        await asyncio.gather(*users)  # a reset would be a ReadError here
        assert set(statuses) == {200}


async def test_a_body_far_beyond_the_limit_is_answered_not_reset() -> None:
    async with open_world() as world, served(world) as served_:
        _, http = served_
        answer = await http.post("/api/v1/agent/select", content=b"x" * (8 << 20))
        assert answer.status_code == 413


async def test_after_a_failure_of_ours_the_connection_is_closed_not_reset() -> None:
    async with open_world(switched_stores()) as world, served(world) as served_:
        _, http = served_
        await http.get("/api/v1/pools")
        switch: Any = world.stores.catalog
        switch.failure = ValueError("nobody foresaw this")
        answer = await http.get("/api/v1/pools")
        assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
        assert answer.headers["connection"] == "close"
        switch.failure = None
        assert (await http.get("/api/v1/pools")).status_code == 200


async def test_a_taken_port_is_told_by_name() -> None:
    async with open_world() as world:
        first = HttpServer(build_app(world.gateway), ProxySettings(http_port=0))
        port = await first.start()
        second = HttpServer(build_app(world.gateway), ProxySettings(http_port=port))
        with pytest.raises(Unavailable, match="PROXY_HTTP_PORT"):
            await second.start()
        await first.stop()


async def test_workers_share_a_port_when_they_are_told_to() -> None:
    async with open_world() as world:
        app = build_app(world.gateway)
        first = HttpServer(app, ProxySettings(http_port=0, reuse_port=True))
        port = await first.start()
        second = HttpServer(app, ProxySettings(http_port=port, reuse_port=True))
        assert await second.start() == port
        await first.stop()
        await second.stop()
