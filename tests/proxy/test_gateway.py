"""The gateway as an object: what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from serving.storage import keys
from serving.storage.base import DecisionEvent
from serving.storage.memory import memory_stores
from serving.storage.memory.channel import MemoryChannel
from serving.storage.memory.intake import MemoryIntake
from tests.proxy.world import open_world
from tests.waiting import PATIENCE_S, eventually


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


class HangingIntake(MemoryIntake):
    """Never answers to decisions, and does not even hear that nobody waits any more."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.go = asyncio.Event()

    async def append_decisions(self, shard: int, events: Sequence[DecisionEvent]) -> str:
        self.asked += 1
        while not self.go.is_set():
            with suppress(asyncio.CancelledError):
                await self.go.wait()
        return await super().append_decisions(shard, events)


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


async def test_a_store_that_hangs_holds_a_proxy_up_for_the_drain_time_and_no_longer() -> None:
    intake = HangingIntake()
    async with open_world(replace(memory_stores(), intake=intake), drain_s=0.2) as world:
        experiment = await world.experiment()
        for _ in range(3):
            assert (await world.select(experiment["id"])).status_code == 200
        await eventually(lambda: intake.asked == 1)
        with capture_logs() as told:
            async with asyncio.timeout(PATIENCE_S):
                await world.gateway.stop()
        given_up = {line["what"] for line in told if line["event"] == "given_up"}
        assert given_up == {"tasks in the background", "3 decisions"}
        intake.go.set()
