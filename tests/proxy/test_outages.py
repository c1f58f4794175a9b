"""What goes on when the stores do not, and what feedback is promised."""

from __future__ import annotations

import asyncio

import pytest

from qbrix.errors import Unavailable
from serving.proxy.agent.intake import FeedbackIntake, suffices
from serving.settings import ProxySettings
from serving.storage.base import FeedbackEvent
from serving.telemetry import ProxyMetrics
from tests.proxy.outage import AWAY, SteerableIntake, switch, switched_stores
from tests.proxy.world import hold_decisions, open_world
from tests.waiting import eventually


def event(number: int) -> FeedbackEvent:
    return FeedbackEvent(
        "e" * 32, 0, f"{number:032x}", "", 0, 1.0, 0.5, 0.0, 1.0, 0, False, (), b"", 0, 0
    )


async def intake_over(store: SteerableIntake, **settings: object) -> FeedbackIntake:
    made = FeedbackIntake(ProxySettings.model_validate(settings), store, ProxyMetrics(), shards=2)
    await made.check()
    return made


async def learned(store: SteerableIntake, shard: int) -> None:
    """What cortex does when the ledger has everything."""
    read = await store.read_feedback(shard, after="0", limit=10**6, block_ms=0)
    name = await store.incarnation(shard)
    await store.trim(shard, incarnation=name, feedback=read.position, decisions="0")


async def test_selection_goes_on_when_every_store_is_away_and_says_how_old_it_is() -> None:
    async with open_world(switched_stores(), durability="always") as world:
        experiment = await world.experiment()
        fresh = await world.select(experiment["id"])
        assert fresh.status_code == 200
        switch(world.stores, failure=AWAY)
        answer = await world.select(experiment["id"])
        assert answer.status_code == 200
        assert answer.json()["state_age_ms"] >= 0


async def test_feedback_is_503_with_retry_after_while_redis_is_away_and_201_afterwards() -> None:
    async with open_world(switched_stores(), durability="always") as world:
        experiment = await world.experiment()
        request_id = (await world.select(experiment["id"])).json()["request_id"]
        switch(world.stores, failure=AWAY)
        refused = await world.feedback(request_id)
        assert refused.status_code == 503
        assert refused.json()["code"] == "SERVICE_UNAVAILABLE"
        assert int(refused.headers["Retry-After"]) >= 1
        switch(world.stores, failure=None)
        await world.gateway.intake.check()
        taken = await world.feedback(request_id)
        assert (taken.status_code, taken.json()["duplicate"]) == (201, False)


async def test_control_routes_are_503_while_postgres_is_away() -> None:
    async with open_world(switched_stores(), durability="always") as world:
        switch(world.stores, failure=AWAY)
        answer = await world.http.get("/api/v1/pools")
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers


async def test_an_unknown_key_is_503_not_401_while_nobody_can_tell() -> None:
    async with open_world(switched_stores(), durability="always") as world:
        switch(world.stores, failure=AWAY)
        headers = {"X-API-Key": "optiq_" + "x" * 43}
        assert (await world.http.get("/api/v1/pools", headers=headers)).status_code == 503


async def test_decisions_wait_for_redis_and_those_beyond_the_buffer_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hold_decisions(monkeypatch)
    async with open_world(switched_stores(), durability="always", decision_buffer=3) as world:
        experiment = await world.experiment()
        assert (await world.select(experiment["id"])).status_code == 200
        switch(world.stores, failure=AWAY)
        for _ in range(4):
            await world.select(experiment["id"])
        assert await world.gateway.decisions.flush() is False
        assert len(world.gateway.decisions) == 3
        assert world.gateway.metrics.dropped.total() == 2
        switch(world.stores, failure=None)
        assert await world.gateway.decisions.flush() is True
        assert len(world.gateway.decisions) == 0


async def test_what_waits_together_is_written_together() -> None:
    store = SteerableIntake()
    intake = await intake_over(store)
    store.go.clear()
    first = asyncio.create_task(intake.append(0, event(0)))
    await asyncio.sleep(0)
    rest = [asyncio.create_task(intake.append(0, event(number))) for number in range(1, 100)]
    await asyncio.sleep(0)
    store.go.set()
    await asyncio.gather(first, *rest)
    assert store.groups == [1, 99]
    assert [one.decision_id for one in await store.stored(0)] == [f"{n:032x}" for n in range(100)]


async def test_nothing_is_acknowledged_before_it_is_written() -> None:
    store = SteerableIntake()
    intake = await intake_over(store)
    store.go.clear()
    waiting = asyncio.create_task(intake.append(0, event(0)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    assert await store.stored(0) == []
    store.go.set()
    await waiting
    assert len(await store.stored(0)) == 1


async def test_who_goes_away_does_not_take_the_group_along() -> None:
    store = SteerableIntake()
    intake = await intake_over(store)
    store.go.clear()
    tasks = [asyncio.create_task(intake.append(0, event(number))) for number in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    store.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [
        type(None),
        asyncio.CancelledError,
        type(None),
    ]


async def test_a_write_that_fails_fails_its_group_and_a_later_one_is_tried_anew() -> None:
    store = SteerableIntake()
    intake = await intake_over(store)
    store.failure = AWAY
    for _ in range(3):
        with pytest.raises(Unavailable, match="the server is away"):
            await intake.append(0, event(0))
    assert len(store.groups) == 1  # a store that just failed is left alone for a moment
    store.failure = None
    await intake.check()
    await intake.append(0, event(0))


async def test_a_store_that_hangs_is_given_up_after_the_deadline() -> None:
    store = SteerableIntake()
    intake = await intake_over(store, intake_deadline_s=0.02)
    store.go.clear()
    with pytest.raises(Unavailable, match="did not answer in time"):
        await intake.append(0, event(0))


async def test_too_much_in_the_queue_is_refused_at_once() -> None:
    store = SteerableIntake()
    intake = await intake_over(store, intake_limit=2)
    store.go.clear()
    first = asyncio.create_task(intake.append(0, event(0)))
    await asyncio.sleep(0)
    others = [asyncio.create_task(intake.append(0, event(number))) for number in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="too much feedback"):
        await intake.append(0, event(3))
    store.go.set()
    await asyncio.gather(first, *others)


async def test_too_much_unread_in_the_stream_is_refused_until_it_is_trimmed() -> None:
    store = SteerableIntake()
    intake = await intake_over(store, backlog_limit=3)
    store.go.clear()
    waiting = [asyncio.create_task(intake.append(0, event(number))) for number in range(3)]
    await asyncio.sleep(0)
    store.go.set()
    await asyncio.gather(*waiting)
    assert len(store.groups) < 3  # events count, not entries
    with pytest.raises(Unavailable, match="too much feedback"):
        await intake.append(0, event(3))
    await intake.append(1, event(3))
    await learned(store, 0)
    await intake.check()
    await intake.append(0, event(3))


async def test_what_was_acknowledged_is_kept_until_the_ledger_has_it() -> None:
    store = SteerableIntake()
    intake = await intake_over(store)
    for number in range(200):
        await intake.append(0, event(number))
    await intake.append(1, event(200))
    assert intake.kept.events == 201
    await intake.check()
    assert intake.kept.events == 201
    await learned(store, 0)
    await intake.check()
    assert intake.kept.events == 1
    await learned(store, 1)
    await intake.check()
    assert (intake.kept.events, intake.kept.size_bytes) == (0, 0)


async def test_what_is_kept_is_sent_again_when_its_streams_are_gone() -> None:
    store = SteerableIntake()
    intake = await intake_over(store)
    for number in range(300):
        await intake.append(number % 2, event(number))
    await learned(store, 1)
    await intake.check()
    store.lose()
    store.failure = AWAY
    await intake.check()
    assert intake.kept.events == 150
    store.failure = None
    await intake.append(0, event(300))
    await intake.check()
    for shard, expected in ((0, {*range(0, 300, 2), 300}), (1, set())):
        found = [int(one.decision_id, 16) for one in await store.stored(shard)]
        assert sorted(found) == sorted(expected)
    assert intake.kept.events == 151
    await intake.check()
    assert len(await store.stored(0)) == 151
    await learned(store, 0)
    await intake.check()
    assert intake.kept.events == 0


async def test_streams_that_fail_again_while_something_is_sent_again_lose_nothing() -> None:
    store = SteerableIntake()
    intake = await intake_over(store)
    for number in range(300):
        await intake.append(0, event(number))
    store.lose()
    store.go.clear()
    store.asked.clear()
    checking = asyncio.create_task(intake.check())
    await store.asked.wait()
    store.failure = AWAY
    store.go.set()
    await checking
    assert intake.kept.events == 300
    store.failure = None
    await intake.check()
    assert len({one.decision_id for one in await store.stored(0)}) == 300


async def test_a_loss_is_mended_at_once_by_whoever_sends_next() -> None:
    store = SteerableIntake()
    intake = await intake_over(store, durability_check_s=3600.0)
    looking = asyncio.create_task(intake.run())
    await intake.append(0, event(0))
    store.lose()
    await intake.append(0, event(1))
    await eventually(lambda: len(store.groups) == 3)
    looking.cancel()
    assert len(await store.stored(0)) == 2


async def test_memory_for_what_is_kept_is_bounded() -> None:
    store = SteerableIntake()
    intake = await intake_over(store, kept_limit_bytes=1024)
    sent = [intake.append(0, event(number)) for number in range(20)]
    answers = [await asyncio.gather(one, return_exceptions=True) for one in sent]
    refused = [answer for (answer,) in answers if isinstance(answer, Unavailable)]
    assert 0 < len(refused) < 20
    assert intake.kept.size_bytes < 2048
    await learned(store, 0)
    await intake.check()
    await intake.append(0, event(20))


async def test_a_store_that_promises_less_from_now_on_is_noticed() -> None:
    store = SteerableIntake()
    intake = await intake_over(store, durability_check_s=0.01)
    looking = asyncio.create_task(intake.run())
    await intake.append(0, event(0))
    store.claims = "memory"
    await eventually(lambda: intake.refusal is not None)
    with pytest.raises(Unavailable, match="offers durability 'memory'"):
        await intake.append(0, event(1))
    looking.cancel()


@pytest.mark.parametrize(
    ("offered", "demanded", "enough"),
    [
        ("always", "always", True),
        ("everysec", "always", False),
        ("memory", "always", False),
        ("evicting", "always", False),
        ("always", "everysec", True),
        ("everysec", "everysec", True),
        ("memory", "everysec", False),
        ("evicting", "everysec", False),
        ("memory", "memory", True),
        ("evicting", "memory", True),
    ],
)
def test_an_acknowledgement_is_worth_what_was_demanded(
    offered: str, demanded: str, enough: bool
) -> None:
    assert suffices(offered, demanded=demanded) is enough


async def test_a_store_that_does_not_persist_takes_no_feedback_until_someone_accepts_that() -> None:
    store = SteerableIntake()
    store.claims = "everysec"
    intake = await intake_over(store)
    with pytest.raises(Unavailable, match="PROXY_DURABILITY"):
        await intake.append(0, event(0))
    store.claims = "always"
    await intake.check()
    await intake.append(0, event(0))
    store.claims = "evicting"
    await intake.check()
    with pytest.raises(Unavailable, match="evicting"):
        await intake.append(0, event(1))


async def test_nothing_is_accepted_before_the_store_said_what_it_is_worth() -> None:
    store = SteerableIntake()
    store.failure = AWAY
    intake = await intake_over(store)
    store.failure = None
    with pytest.raises(Unavailable, match="not known yet"):
        await intake.append(0, event(0))
    await intake.check()
    await intake.append(0, event(0))
