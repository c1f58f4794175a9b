"""The decision log as the proxy writes it: numbered by stream, sampled by id."""

from __future__ import annotations

import pytest

from serving.sampling import is_kept
from serving.storage.base import DecisionEvent
from tests.proxy.world import SHARDS, World, hold_decisions, open_world


async def logged(world: World) -> list[DecisionEvent]:
    await world.gateway.decisions.flush()
    reads = [
        await world.stores.intake.read_decisions(shard, after="0", limit=10**6, block_ms=0)
        for shard in range(SHARDS)
    ]
    return [event for read in reads for event in read.events]


def _id(number: int) -> str:
    return f"{number:032x}"


async def test_every_stream_of_a_proxy_is_numbered_without_a_gap() -> None:
    async with open_world() as world:
        shards: dict[int, list[int]] = {shard: [] for shard in range(SHARDS)}
        wanted = 0
        while not all(shards.values()):  # experiments hash to shards by their random ids
            made = await world.experiment(name=f"e{wanted}")
            wanted += 1
            record = await world.stores.ledger.experiment(made["id"])
            assert record is not None
            for _ in range(3):
                await world.select(made["id"])
                shards[record.shard].append(len(shards[record.shard]) + 1)
        events = await logged(world)
        proxies = {event.proxy for event in events}
        assert proxies == {f"{world.gateway.decisions.proxy}.{shard}" for shard in range(SHARDS)}
        for shard, numbers in shards.items():
            own = [event.number for event in events if event.proxy.endswith(f".{shard}")]
            assert own == numbers


async def test_a_dropped_decision_leaves_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    hold_decisions(monkeypatch)
    async with open_world(decision_buffer=2) as world:
        made = await world.experiment()
        for _ in range(4):
            await world.select(made["id"])
        kept = await logged(world)
        await world.select(made["id"])
        assert [event.number for event in kept] == [1, 2]
        assert [event.number for event in await logged(world)] == [1, 2, 5]


async def test_a_sampled_log_keeps_the_same_ids_everywhere_and_tells_how_many() -> None:
    async with open_world(decision_sampling=0.25) as world:
        made = await world.experiment()
        for number in range(64):
            answer = await world.http.post(
                "/api/v1/agent/select",
                json={
                    "experiment_id": made["id"],
                    "context": {"id": "u"},
                    "decision_id": _id(number),
                },
            )
            assert answer.json()["request_id"]
        events = await logged(world)
    assert [event.decision_id for event in events] == [
        _id(number) for number in range(64) if is_kept(_id(number), sampling=0.25)
    ]
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert {event.sampling for event in events} == {0.25}


def test_sampling_keeps_about_its_share() -> None:
    # 40,000 ids at 1/4: 10,000 expected with a standard deviation of 86.6. The ids are fixed, so
    # is the outcome; for another hash six deviations would fail once in 5e8.
    kept = sum(is_kept(_id(number), sampling=0.25) for number in range(40_000))
    assert abs(kept - 10_000) < 520
    assert all(is_kept(_id(number), sampling=1.0) for number in range(100))
