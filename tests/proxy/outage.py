"""Stores that can be switched off, slowed down, or made to promise less."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace
from typing import Any

from qbrix.errors import Unavailable
from serving.storage.base import Appended, FeedbackEvent, Stores
from serving.storage.memory import memory_stores
from serving.storage.memory.intake import MemoryIntake

AWAY = Unavailable("the server is away")


class Switch:
    """A store behind a switch: while there is a ``failure``, every call ends with it."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.failure: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*arguments: Any, **named: Any) -> Any:
            if self.failure is not None:
                raise self.failure
            await asyncio.sleep(0)  # as over a wire: others go on meanwhile
            return await found(*arguments, **named)

        return call


class SteerableIntake(MemoryIntake):
    """Memory whose writes wait for a go, and which claims what a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.go.set()
        self.asked = asyncio.Event()
        self.groups: list[int] = []
        self.claims = "always"
        self.failure: Exception | None = None

    async def append_feedback(self, shard: int, events: Any) -> Appended:
        self.groups.append(len(events))
        self.asked.set()
        await self.go.wait()
        if self.failure is not None:
            raise self.failure
        return await super().append_feedback(shard, events)

    async def append_decisions(self, shard: int, events: Any) -> str:
        if self.failure is not None:
            raise self.failure
        return await super().append_decisions(shard, events)

    async def durability(self) -> str:
        if self.failure is not None:
            raise self.failure
        return self.claims

    async def stored(self, shard: int) -> list[FeedbackEvent]:
        """What was written."""
        read = await self.read_feedback(shard, after="0", limit=10**6, block_ms=0)
        return read.events


def switched_stores() -> Stores:
    """Memory stores, each but the intake behind a switch."""
    stores = memory_stores()
    return replace(
        stores,
        catalog=Switch(stores.catalog),
        accounts=Switch(stores.accounts),
        audit=Switch(stores.audit),
        ledger=Switch(stores.ledger),
        channel=Switch(stores.channel),
        intake=SteerableIntake(),
    )


def switch(stores: Stores, *, failure: Exception | None) -> None:
    """All stores off or, with None, on."""
    switches: list[Any] = [
        *(stores.catalog, stores.accounts, stores.audit),
        *(stores.ledger, stores.channel, stores.intake),
    ]
    for store in switches:
        store.failure = failure
