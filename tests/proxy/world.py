"""A proxy with motor and memory stores in one process, reached through its ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from qbrix.bundle import TrustedKeys
from serving.loading import PolicyLoader
from serving.motor.service import Motor
from serving.proxy.app import build_app
from serving.proxy.auth import ROLES, Principal
from serving.proxy.gateway import Gateway, Trust
from serving.settings import MotorSettings, ProxySettings
from serving.storage.base import Stores
from serving.storage.memory import memory_stores

TOKEN_KEY = bytes(range(32))
DRAW_KEY = bytes(range(32, 64))


@dataclass
class World:
    """What a test holds in its hands."""

    stores: Stores
    gateway: Gateway
    motor: Motor
    http: httpx.AsyncClient
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

    async def select(self, experiment: str, **context: Any) -> httpx.Response:
        """One select."""
        body = {"experiment_id": experiment, "context": {"id": "user-1", **context}}
        return await self.http.post("/api/v1/agent/select", json=body)

    async def feedback(self, request_id: str, reward: Any = 1.0, **more: Any) -> httpx.Response:
        """One feedback."""
        body = {"request_id": request_id, "reward": reward, **more}
        return await self.http.post("/api/v1/agent/feedback", json=body)


@asynccontextmanager
async def open_world(stores: Stores | None = None, **settings: Any) -> AsyncIterator[World]:
    """Start everything, hand it out, stop everything."""
    stores = stores or memory_stores()
    settings = {"durability": "memory", "control_wait_s": 0, **settings}
    loader = PolicyLoader(stores.ledger.bundle, TrustedKeys())
    motor = Motor(
        MotorSettings(),
        channel=stores.channel,
        ledger=stores.ledger,
        loader=loader,
        draw_key=DRAW_KEY,
    )
    gateway = Gateway(
        ProxySettings(**settings),
        stores,
        selector=motor,
        loader=loader,
        trust=Trust(token_keys=[TOKEN_KEY], bundle_keys=TrustedKeys()),
        shards=2,
        cortex_pulse=stores.channel.ping,
    )
    await motor.start()
    await gateway.start()
    tenant = await stores.catalog.create_tenant("local")
    transport = httpx.ASGITransport(build_app(gateway), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://proxy") as http:
        world = World(stores, gateway, motor, http, tenant)
        http.headers["X-API-Key"] = await world.key()
        yield world
    await gateway.stop()
    await motor.stop()
    await stores.close()
