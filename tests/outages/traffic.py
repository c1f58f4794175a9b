"""Clients of a running stack, and what the ledger made of their rewards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from qbrix.state import to_bytes
from serving.storage.base import Stores
from tests.cortex.world import refolded
from tests.faults.stack import FaultStack
from tests.waiting import PATIENCE_S

TOGETHER = 250
AGENT = "/api/v1/agent"


@dataclass
class Traffic:
    """Decisions on one experiment and their rewards; each reward is 1."""

    http: httpx.AsyncClient
    stack: FaultStack
    experiment: str
    acknowledged: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    ages_ms: list[int] = field(default_factory=list)

    async def select(self) -> str:
        """One decision; its request_id."""
        body = {"experiment_id": self.experiment, "context": {"id": "somebody"}}
        answer = await self.http.post(f"{AGENT}/select", json=body)
        assert answer.status_code == 200, answer.text
        self.ages_ms.append(answer.json()["state_age_ms"])
        return str(answer.json()["request_id"])

    async def feedback(self, request_id: str) -> httpx.Response:
        """One reward, and what became of it."""
        body = {"request_id": request_id, "reward": 1.0}
        answer = await self.http.post(f"{AGENT}/feedback", json=body)
        if answer.status_code == 201:
            self.acknowledged.add(request_id)
        else:
            self.refused.append(request_id)
        return answer

    async def one(self) -> None:
        """A decision and its reward, which must be taken."""
        answer = await self.feedback(await self.select())
        assert answer.status_code == 201, answer.text

    async def many(self, number: int) -> None:
        """So many decisions and rewards, in batches."""
        for start in range(0, number, TOGETHER):
            contexts = [{"id": str(n)} for n in range(start, min(start + TOGETHER, number))]
            body: dict[str, Any] = {"experiment_id": self.experiment, "contexts": contexts}
            made = await self.http.post(f"{AGENT}/select/batch", json=body)
            assert made.status_code == 200, made.text
            ids = [one["request_id"] for one in made.json()["decisions"]]
            items = [{"request_id": one, "reward": 1.0} for one in ids]
            taken = await self.http.post(f"{AGENT}/feedback/batch", json={"items": items})
            assert taken.status_code in (200, 201), taken.text
            assert all(one["accepted"] for one in taken.json()["results"]), taken.text
            self.acknowledged.update(ids)

    async def settled(self, *, within_s: float) -> float:
        """Until every acknowledged reward is in the ledger, once; how long that took."""
        async with self.stack.stores() as stores:
            expected = len(self.acknowledged)

            async def all_there() -> bool:
                return await self._counted(stores) >= expected

            took_s = await until(all_there, within_s=within_s)
            assert await self._counted(stores) == expected
            deployment = await refolded(stores, self.experiment)

            async def published() -> bool:
                copy = await stores.channel.fetch(self.experiment)
                return copy is not None and copy.state == to_bytes(deployment.state)

            await until(published, within_s=PATIENCE_S)
        return took_s

    async def _counted(self, stores: Stores) -> int:
        """Rewards in the ledger; that none is there twice is checked on the way."""
        found: list[str] = []
        after = 0
        while batches := await stores.ledger.batches(self.experiment, after=after, limit=200):
            after = batches[-1].batch.version
            for stored in batches:
                if stored.batch.rows is not None:
                    found += stored.batch.rows.decision_ids
        assert len(found) == len(set(found))
        return len(found)


@asynccontextmanager
async def traffic(stack: FaultStack, name: str) -> AsyncIterator[Traffic]:
    """A new experiment, and clients for it."""
    headers = {"X-API-Key": stack.api_key}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=PATIENCE_S) as http:
        body: dict[str, Any] = {"name": name, "arms": [{"name": "a"}, {"name": "b"}]}
        pool = (await http.post("/api/v1/pools", json=body)).raise_for_status().json()
        body = {"name": name, "pool_id": pool["id"], "policy": "BetaTSPolicy"}
        made = (await http.post("/api/v1/experiments", json=body)).raise_for_status().json()
        yield Traffic(http, stack, made["id"])


async def until(true: Callable[[], Awaitable[bool]], *, within_s: float) -> float:
    """Wait for a condition, with a bound; how long it took."""
    began_s = time.monotonic()
    while not await true():
        assert time.monotonic() - began_s < within_s, f"not within {within_s:.0f} s"
        await asyncio.sleep(0.05)
    return time.monotonic() - began_s
