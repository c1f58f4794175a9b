"""Proxy and motor in two processes' manner: the same answers over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from qbrix.bundle import TrustedKeys
from serving.loading import PolicyLoader
from serving.motor.grpc import motor_server
from serving.motor.service import Motor
from serving.settings import MotorSettings
from serving.storage.memory import memory_stores
from serving.wire.motor_client import MotorClient
from tests.proxy.world import DRAW_KEY, World, open_world


@asynccontextmanager
async def split_world() -> AsyncIterator[World]:
    stores = memory_stores()
    motor = Motor(
        MotorSettings(),
        channel=stores.channel,
        ledger=stores.ledger,
        loader=PolicyLoader(stores.ledger.bundle, TrustedKeys()),
        draw_key=DRAW_KEY,
    )
    await motor.start()
    server = motor_server(motor, address="127.0.0.1:0")
    client = MotorClient(f"127.0.0.1:{await server.start()}")
    await client.start()
    async with open_world(stores, selector=client) as world:
        yield world
        await client.stop()
        await server.stop(grace_s=0)
        await motor.stop()


async def test_a_split_proxy_answers_as_a_fused_one() -> None:
    async with split_world() as split, open_world(split.stores) as fused:
        fused.http.headers["X-API-Key"] = split.http.headers["X-API-Key"]
        made = await split.experiment("LinTSPolicy", dim=3)

        async def pair(number: int) -> tuple[object, object]:
            body = {
                "experiment_id": made["id"],
                "context": {"id": "u", "vector": [0.1, number, -2.5]},
                "decision_id": f"{number:032x}",
            }
            answers = [
                (await world.http.post("/api/v1/agent/select", json=body)).json()
                for world in (split, fused)
            ]
            return tuple((one["arm"], one["propensity"]) for one in answers)  # type: ignore[return-value]

        for over_grpc, direct in await asyncio.gather(*map(pair, range(100))):
            assert over_grpc == direct


async def test_errors_of_motor_come_through() -> None:
    async with split_world() as world:
        made = await world.experiment("LinTSPolicy", dim=3)
        assert (await world.select(made["id"], vector=[1.0])).status_code == 400
        assert (await world.select("0" * 32)).status_code == 404
        answer = await world.http.get("/api/v1/runtime/motor/health")
        assert answer.json()["status"] == "healthy"


async def test_without_motor_select_is_503_with_retry_after() -> None:
    client = MotorClient("127.0.0.1:1", deadline_s=0.5)
    await client.start()
    async with open_world(selector=client) as world:
        made = await world.experiment()
        answer = await world.select(made["id"])
        assert answer.status_code == 503
        assert answer.json()["code"] == "SERVICE_UNAVAILABLE"
        assert "Retry-After" in answer.headers
        health = await world.http.get("/api/v1/runtime/motor/health")
        assert health.json()["status"] == "unhealthy"
    await client.stop()
