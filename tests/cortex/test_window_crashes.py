"""Killed while it closes windows or takes rewards back, cortex learns nothing twice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable
from itertools import count

import pytest

from qbrix.ledger import Attribution
from serving.storage.base import Stores
from tests.cortex.crashing import cortex_process
from tests.cortex.scene import START_MS, Scene, retraction, scene_of
from tests.cortex.world import event
from tests.waiting import PATIENCE_S

# Where cortex is killed, and at which passage: decisions are archived and rewards learned first.
POINTS = {
    "ledger.after_rows": 2,
    "cortex.closing_before_progress": 1,
    "ledger.after_keys": 2,
    "ledger.before_commit": 2,
    "cortex.closing_after_commit": 1,
}
SHARDS = count(500)
LONG_AGO = Attribution(window_s=60.0, default_reward=0.25, aggregation="sum")


async def _send(scene: Scene, numbers: Iterable[int]) -> None:
    """Two rewards for the even decisions, one of which is taken back, and none for the odd."""
    for number in numbers:
        await scene.log(number)
        if number % 2:
            continue
        for name, reward in (("a", 0.5), ("b", 0.25)):
            await scene.send(event(scene.record, number, reward=reward, feedback_id=name))
        if number % 4:
            await scene.send(retraction(event(scene.record, number, feedback_id="a")))


@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_any_point_every_window_comes_to_what_it_should(
    stores: Stores, servers: tuple[str, str], point: str
) -> None:
    scene = await scene_of(stores, LONG_AGO, shard=next(SHARDS))
    await _send(scene, range(8))
    with cortex_process(
        postgres_url=servers[0],
        redis_url=servers[1],
        shard=scene.record.shard,
        failpoint=f"{point}:kill@{POINTS[point]}",
        at_ms=START_MS + 10**9,
    ) as process:
        await asyncio.to_thread(process.join, PATIENCE_S)
        assert process.exitcode == -signal.SIGKILL
    async with asyncio.timeout(PATIENCE_S):
        await scene.at(10**9)
    closed = sorted(
        (number, kind, reward)
        for number, _, kind, reward in await scene.rows()
        if kind in ("closed", "default")
    )
    assert closed == [
        (0, "closed", 0.75),
        (1, "default", 0.25),
        (2, "closed", 0.25),
        (3, "default", 0.25),
        (4, "closed", 0.75),
        (5, "default", 0.25),
        (6, "closed", 0.25),
        (7, "default", 0.25),
    ]
    assert await scene.successes() == [3.0, 0.0]


@pytest.mark.parametrize("point", ["ledger.after_rows", "ledger.before_commit"])
async def test_killed_while_it_takes_back_what_was_learned(
    stores: Stores, servers: tuple[str, str], point: str
) -> None:
    scene = await scene_of(stores, None, shard=next(SHARDS))
    events = [event(scene.record, number) for number in range(4)]
    await scene.send(*events)
    await scene.at(0)
    await scene.send(*map(retraction, events[:3]), *map(retraction, events[:3]))
    await stores.ledger.release(scene.record.shard, holder=scene.cortex.holder)
    with cortex_process(
        postgres_url=servers[0],
        redis_url=servers[1],
        shard=scene.record.shard,
        failpoint=f"{point}:kill",
    ) as process:
        await asyncio.to_thread(process.join, PATIENCE_S)
        assert process.exitcode == -signal.SIGKILL
    async with asyncio.timeout(PATIENCE_S):
        await scene.followed().at(0)
    assert await scene.successes() == [1.0, 0.0]
    assert [kind for _, kind in await scene.kinds()] == ["folded"] * 4 + ["retraction"] * 3
