"""A proxy with motor and memory stores in one process, reached through its ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from qbrix.bundle import TrustedKeys
from serving.cortex.service import Cortex
from serving.loading import PolicyLoader
from serving.motor.service import Motor
from serving.proxy.gateway import Gateway, Trust
from serving.proxy.http.app import build_app
from serving.proxy.people.auth import ROLES, Principal
from serving.settings import MotorSettings, ProxySettings
from serving.storage.base import FeedbackEvent, Stores
from serving.storage.memory import memory_stores
from serving.wire.selection import Selector
from tests.waiting import PATIENCE_S

TOKEN_KEY = bytes(range(32))
JWT_KEY = bytes(range(64, 96))
SHARDS = 2
DRAW_KEY = bytes(range(32, 64))


@dataclass
class World:
    """What a test holds in its hands."""

    stores: Stores
    gateway: Gateway
    motor: Motor
    http: httpx.AsyncClient  # sends the key of an admin
    bare: httpx.AsyncClient  # sends no credential of its own
    tenant: str

    async def key(self, *, role: str = "admin", tenant: str | None = None) -> str:
        """A new API key with the scopes of a role."""
        owner = Principal(tenant or self.tenant, "", ROLES[role])
        _, key = await self.gateway.api_keys.create(owner, name=role, scopes=None)
        return key

    async def pool(self, *arms: str, name: str = "pool") -> dict[str, Any]:
        """A new pool."""
        body = {"name": name, "arms": [{"name": arm} for arm in arms or ("a", "b", "c")]}
        answer = await self.http.post("/api/v1/pools", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def experiment(
        self, policy: str = "BetaTSPolicy", *, name: str = "test", **params: Any
    ) -> dict[str, Any]:
        """A new experiment on a new pool of three arms."""
        pool = await self.pool(name=f"pool of {name}")
        body = {"name": name, "pool_id": pool["id"], "policy": policy, "policy_params": params}
        answer = await self.http.post("/api/v1/experiments", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def stranger(self, *, role: str = "admin") -> dict[str, str]:
        """Headers of somebody in another workspace."""
        tenant = await self.stores.catalog.create_tenant(f"stranger {role}")
        return {"X-API-Key": await self.key(role=role, tenant=tenant)}

    async def events(self, experiment: str) -> list[FeedbackEvent]:
        """The feedback of an experiment that waits to be learned."""
        record = await self.stores.ledger.experiment(experiment)
        assert record is not None
        intake = self.stores.intake
        read = await intake.read_feedback(record.shard, after="0", limit=10**6, block_ms=0)
        return [event for event in read.events if event.experiment == experiment]

    async def select(self, experiment: str, **context: Any) -> httpx.Response:
        """One select."""
        body = {"experiment_id": experiment, "context": {"id": "user-1", **context}}
        return await self.http.post("/api/v1/agent/select", json=body)

    async def feedback(self, request_id: str, reward: Any = 1.0, **more: Any) -> httpx.Response:
        """One feedback."""
        body = {"request_id": request_id, "reward": reward, **more}
        return await self.http.post("/api/v1/agent/feedback", json=body)


@asynccontextmanager
async def open_world(
    stores: Stores | None = None,
    *,
    trusted: TrustedKeys | None = None,
    selector: Selector | None = None,
    **settings: Any,
) -> AsyncIterator[World]:
    """Start everything, hand it out, stop everything."""
    stores = stores or memory_stores()
    cheap = {"password_memory_kib": 8, "password_rounds": 1}
    settings = {"durability": "memory", "control_wait_s": 0, **cheap, **settings}
    trusted = trusted or TrustedKeys()
    loader = PolicyLoader(stores.ledger.bundle, trusted)
    motor = Motor(
        MotorSettings(load_deadline_s=PATIENCE_S),
        channel=stores.channel,
        ledger=stores.ledger,
        loader=loader,
        draw_key=DRAW_KEY,
    )
    gateway = Gateway(
        ProxySettings(**settings),
        stores,
        selector=selector or motor,
        loader=loader,
        trust=Trust(token_keys=[TOKEN_KEY], bundle_keys=trusted, jwt_keys=[JWT_KEY]),
        shards=SHARDS,
        cortex_pulse=stores.channel.ping,
    )
    await motor.start()
    await gateway.start()
    found = await stores.catalog.find_tenant("local")
    tenant = found or await stores.catalog.create_tenant("local")
    transport = httpx.ASGITransport(build_app(gateway), raise_app_exceptions=False)
    try:
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://proxy") as http,
            httpx.AsyncClient(transport=transport, base_url="http://proxy") as bare,
        ):
            world = World(stores, gateway, motor, http, bare, tenant)
            http.headers["X-API-Key"] = await world.key()
            yield world
    finally:
        await gateway.stop()
        await motor.stop()
        await stores.close()


def hold_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written of the decision log but by a test, however long that takes."""
    monkeypatch.setattr("serving.proxy.agent.decisions._PAUSE_S", 10 * PATIENCE_S)


async def settle() -> None:
    """Let every task do what is due."""
    for _ in range(10):
        await asyncio.sleep(0)


@asynccontextmanager
async def learning(world: World, *, trusted: TrustedKeys | None = None) -> AsyncIterator[Cortex]:
    """A cortex over the world's stores."""
    cortex = Cortex(
        world.stores,
        PolicyLoader(world.stores.ledger.bundle, trusted or TrustedKeys()),
        shards=range(SHARDS),
        holder="test",
    )
    await cortex.start()
    try:
        yield cortex
    finally:
        await cortex.stop()
