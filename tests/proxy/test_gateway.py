"""The gateway as an object: what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from serving.storage import keys
from serving.storage.memory import memory_stores
from serving.storage.memory.channel import MemoryChannel
from tests.proxy.world import open_world
from tests.waiting import PATIENCE_S


class BrokenChannel(MemoryChannel):
    """A channel of which one listener meets a bug."""

    def __init__(self, topic: str) -> None:
        super().__init__()
        self._broken = topic

    async def listen(self, *topics: str) -> AsyncIterator[tuple[str, str]]:
        for topic in topics:
            yield topic, ""
        if self._broken in topics:
            raise RuntimeError("the handler is closed")
        await asyncio.Event().wait()


@pytest.mark.parametrize("topic", [keys.RECORDS, keys.STATES])  # the gateway's, the motor's
async def test_a_task_that_dies_ends_the_role_so_that_another_one_takes_its_place(
    topic: str,
) -> None:
    async with open_world(replace(memory_stores(), channel=BrokenChannel(topic))) as world:
        with pytest.raises(RuntimeError, match="the handler is closed"):
            async with asyncio.timeout(PATIENCE_S):
                await world.gateway.wait()


async def test_a_role_whose_tasks_live_goes_on() -> None:
    async with open_world() as world:
        waiting = asyncio.create_task(world.gateway.wait())
        _, pending = await asyncio.wait({waiting}, timeout=0.05)
        assert pending == {waiting}
        waiting.cancel()
