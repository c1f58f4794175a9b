"""Proxy and motor in two processes' manner: the same answers over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

from qbrix.bundle import TrustedKeys
from serving.loading import PolicyLoader
from serving.motor.grpc import MotorServer
from serving.motor.service import Motor
from serving.settings import MotorSettings
from serving.storage.base import Stores
from serving.storage.memory import memory_stores
from serving.wire.motor_client import MotorClient
from serving.wire.motors import Motors
from tests.proxy.outage import AWAY, Switch
from tests.proxy.world import DRAW_KEY, World, open_world
from tests.waiting import PATIENCE_S, eventually


def motor_here(stores: Stores) -> Motor:
    return Motor(
        MotorSettings(load_deadline_s=PATIENCE_S),
        channel=stores.channel,
        ledger=stores.ledger,
        loader=PolicyLoader(stores.ledger.bundle, TrustedKeys()),
        draw_key=DRAW_KEY,
    )


@asynccontextmanager
async def split_world() -> AsyncIterator[World]:
    stores = memory_stores()
    motor = motor_here(stores)
    await motor.start()
    server = MotorServer(motor, host="127.0.0.1", grpc_port=0)
    port = (await server.start())["grpc"]
    elsewhere = MotorClient(f"127.0.0.1:{port}", deadline_s=PATIENCE_S)
    client = Motors([elsewhere], here=motor_here(stores))
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


@asynccontextmanager
async def split_among(count: int) -> AsyncIterator[tuple[World, Motors, list[MotorServer]]]:
    """A proxy and so many motors elsewhere, each behind a server of its own."""
    stores = memory_stores()
    elsewhere = [motor_here(stores) for _ in range(count)]
    servers = [MotorServer(motor, host="127.0.0.1", grpc_port=0) for motor in elsewhere]
    for motor in elsewhere:
        await motor.start()
    ports = [(await server.start())["grpc"] for server in servers]
    clients = [MotorClient(f"127.0.0.1:{port}", deadline_s=PATIENCE_S) for port in ports]
    motors = Motors(clients, here=motor_here(stores))
    await motors.start()
    try:
        async with open_world(stores, selector=motors) as world:
            yield world, motors, servers
    finally:
        await motors.stop()
        for server in servers:
            await server.stop(grace_s=0)
        for motor in elsewhere:
            await motor.stop()


async def test_motors_share_the_work_and_take_over_for_one_that_goes() -> None:
    async with split_among(2) as (world, motors, servers):
        made = await world.experiment()
        first, second = motors.facts()["elsewhere"]
        await servers[0].stop(grace_s=0)
        answers = await asyncio.gather(*(world.select(made["id"]) for _ in range(50)))
        assert {answer.status_code for answer in answers} == {200}
        assert motors.facts()["away"] == [first]
        assert motors.calls.total(second, "answered") >= 1
        assert motors.calls.total("here", "answered") == 0


async def test_when_no_motor_answers_the_last_state_decides_in_the_proxy() -> None:
    async with split_among(2) as (world, motors, servers):
        made = await world.experiment()
        body = {"experiment_id": made["id"], "context": {"id": "u"}, "decision_id": "7" * 32}
        before = (await world.http.post("/api/v1/agent/select", json=body)).json()
        for server in servers:
            await server.stop(grace_s=0)
        after = (await world.http.post("/api/v1/agent/select", json=body)).json()
        assert (after["arm"], after["propensity"]) == (before["arm"], before["propensity"])
        assert motors.calls.total("here", "answered") == 1
        health = await world.http.get("/api/v1/runtime/motor/health")
        assert health.json()["status"] == "unhealthy"


async def test_a_motor_that_is_back_is_asked_again() -> None:
    async with split_among(1) as (world, motors, servers):
        made = await world.experiment()
        (address,) = motors.facts()["elsewhere"]
        await servers[0].stop(grace_s=0)
        assert (await world.select(made["id"])).status_code == 200
        assert motors.facts()["away"] == [address]
        motor = motor_here(world.stores)
        await motor.start()
        port = int(address.rpartition(":")[2])
        servers.append(MotorServer(motor, host="127.0.0.1", grpc_port=port))
        await servers[-1].start()
        await eventually(lambda: not motors.facts()["away"])
        assert (await world.select(made["id"])).status_code == 200
        assert motors.calls.total(address, "answered") == 1
        await motor.stop()


async def test_without_motor_or_state_select_is_503_with_retry_after() -> None:
    stores = memory_stores()
    away = {name: Switch(getattr(stores, name)) for name in ("channel", "ledger")}
    for switch in away.values():
        switch.failure = AWAY
    here = motor_here(replace(stores, **cast("dict[str, Any]", away)))
    motors = Motors([MotorClient("127.0.0.1:1", deadline_s=0.5)], here=here)
    await motors.start()
    async with open_world(stores, selector=motors) as world:
        made = await world.experiment()
        answer = await world.select(made["id"])
        assert answer.status_code == 503
        assert answer.json()["code"] == "SERVICE_UNAVAILABLE"
        assert "Retry-After" in answer.headers
        health = await world.http.get("/api/v1/runtime/motor/health")
        assert health.json()["status"] == "unhealthy"
    await motors.stop()
