"""Proxy, motor and cortex over memory stores in a thread, and a wire that leads there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from qbrix.bundle import SigningKey, TrustedKeys
from qbrix.client import Client
from serving.cortex.service import Cortex
from serving.loading import PolicyLoader
from serving.motor.service import Motor
from serving.proxy.gateway import Gateway, Trust
from serving.proxy.http.app import build_app
from serving.proxy.people.auth import ROLES, Principal
from serving.settings import MotorSettings, ProxySettings
from serving.storage.memory import memory_stores
from tests.waiting import PATIENCE_S

T = TypeVar("T")

SHARDS = 2


class Wire(httpx.BaseTransport):
    """Carries a synchronous client's requests to an application in another thread's loop."""

    def __init__(self, application: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._asgi = httpx.ASGITransport(application, raise_app_exceptions=False)
        self._loop = loop
        self.seen: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One request, answered whole."""
        request.read()
        self.seen.append(f"{request.method} {request.url.path}")
        return asyncio.run_coroutine_threadsafe(self._carry(request), self._loop).result(PATIENCE_S)

    async def _carry(self, request: httpx.Request) -> httpx.Response:
        response = await self._asgi.handle_async_request(request)
        content = await response.aread()
        return httpx.Response(response.status_code, headers=response.headers, content=content)


class Served:
    """The roles, and what a test needs of them."""

    def __init__(self) -> None:
        self.signing_key = SigningKey.generate()
        self.trusted = TrustedKeys([self.signing_key.public])
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.run(self._start())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, done in the roles' loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_S)

    def client(self, *, role: str = "admin", trusted: TrustedKeys | None = None) -> Client:
        """A client with a key of its own."""
        owner = Principal(self.tenant, "", ROLES[role])
        _, key = self.run(self.gateway.api_keys.create(owner, name=uuid4().hex, scopes=None))
        return Client("http://proxy", key, trusted=trusted, wire=self.wire)

    def settle(self) -> None:
        """Return when all that was acknowledged is learned and archived."""
        self.run(self._settle())

    def close(self) -> None:
        """End everything."""
        self.run(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _start(self) -> None:
        self._stores = memory_stores()
        self._loader = PolicyLoader(self._stores.ledger.bundle, self.trusted)
        self._motor = Motor(
            MotorSettings(load_deadline_s=PATIENCE_S),
            channel=self._stores.channel,
            ledger=self._stores.ledger,
            loader=self._loader,
            draw_key=bytes(range(32)),
        )
        self.gateway = Gateway(
            ProxySettings(durability="memory"),
            self._stores,
            selector=self._motor,
            loader=self._loader,
            trust=Trust(
                token_keys=[bytes(range(32, 64))],
                bundle_keys=self.trusted,
                jwt_keys=[bytes(range(64, 96))],
            ),
            shards=SHARDS,
            cortex_pulse=self._stores.channel.ping,
        )
        self.cortex = self._new_cortex()
        await self._motor.start()
        await self.gateway.start()
        await self.cortex.start()
        self.tenant = await self._stores.catalog.create_tenant("local")
        self.wire = Wire(build_app(self.gateway), self.loop)

    async def _stop(self) -> None:
        await self.gateway.stop()
        await self.cortex.stop()
        await self._motor.stop()
        await self._stores.close()

    async def _settle(self) -> None:
        await self.gateway.decisions.flush()
        await self.cortex.stop()
        await self._new_cortex().drain()
        self.cortex = self._new_cortex()
        await self.cortex.start()

    def _new_cortex(self) -> Cortex:
        return Cortex(
            self._stores,
            self._loader,
            shards=range(SHARDS),
            holder=uuid4().hex,
            lease_ttl_s=1.0,
            lease_renew_s=0.2,
        )


@contextmanager
def served() -> Iterator[Served]:
    """Started, and ended whatever happens."""
    roles = Served()
    try:
        yield roles
    finally:
        roles.close()
