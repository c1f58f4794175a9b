"""`Channel` in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from serving.storage import codec, keys
from serving.storage.records import StateRecord

__all__ = ["MemoryChannel"]


class MemoryChannel:
    """See `serving.storage.base.Channel`."""

    def __init__(self) -> None:
        self._copies: dict[str, bytes] = {}
        self._listeners: set[tuple[frozenset[str], asyncio.Queue[tuple[str, str]]]] = set()

    async def ping(self) -> None:
        """Memory answers."""

    async def publish(self, state: StateRecord) -> bool:
        """See `Channel`."""
        stored = await self.fetch(state.experiment)
        if stored is not None and (state.term, state.version) < (stored.term, stored.version):
            return False
        self._copies[keys.state(state.experiment)] = codec.pack_state(state)
        await self.announce(keys.STATES, state.experiment)
        return True

    async def fetch(self, experiment: str) -> StateRecord | None:
        """See `Channel`."""
        data = self._copies.get(keys.state(experiment))
        return None if data is None else codec.unpack_state(data)

    async def versions(self, experiments: Sequence[str]) -> list[int | None]:
        """See `Channel`."""
        copies = [self._copies.get(keys.state(experiment)) for experiment in experiments]
        return [None if data is None else codec.unpack_state(data).version for data in copies]

    async def announce(self, topic: str, payload: str) -> None:
        """See `Channel`."""
        for topics, queue in self._listeners:
            if topic in topics:
                queue.put_nowait((topic, payload))

    async def listen(self, *topics: str) -> AsyncIterator[tuple[str, str]]:
        """See `Channel`."""
        queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        listener = (frozenset(topics), queue)
        self._listeners.add(listener)
        try:
            for topic in topics:
                yield topic, ""
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(listener)

    def lose(self) -> None:
        """What a flushed or emptied Redis does."""
        self._copies.clear()
