"""Postgres or Redis away under real servers: what goes on, what is refused, and that it heals.

How fast it heals is for `python -m benchmarks.recovery` to measure; here a machine may be busy.
Memory is asked to look things up every half second here, so that the seconds of a test hold as
many look-ups that fail as ten minutes do with the settings of a stack.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import redis

from tests.faults.stack import FaultStack
from tests.outages.traffic import Traffic, traffic, until
from tests.waiting import PATIENCE_S

TEN_MINUTES = 30_000  # decisions at 50 a second, each with a reward
SINGLE = 500  # of them one by one, the others in batches
IMPATIENT = {
    "PROXY_KEY_TTL_S": "0.5",
    "PROXY_RECORD_TTL_S": "0.5",
    "PROXY_USER_POLL_S": "0.5",
    "MOTOR_STATE_TTL_S": "0.5",
    "PROXY_BACKLOG_LIMIT": "1000000",  # the default: ten minutes of everything fit
    "CORTEX_LEASE_TTL_S": "5",
    "CORTEX_LEASE_RENEW_S": "1",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultStack]:
    """One stack for all outages."""
    made = FaultStack(tmp_path_factory.mktemp("outages"), settings=IMPATIENT).start()
    yield made
    made.stop()


@pytest.fixture
def stack(whole: FaultStack) -> Iterator[FaultStack]:
    """The stack, whole again afterwards."""
    yield whole
    whole.mend()


@pytest.fixture
async def clients(stack: FaultStack, request: pytest.FixtureRequest) -> AsyncIterator[Traffic]:
    """Clients whose experiment has learned something."""
    async with traffic(stack, request.node.name) as made:
        for _ in range(5):
            await made.one()
        await made.settled(within_s=PATIENCE_S)
        yield made


async def test_ten_minutes_of_traffic_without_postgres_lose_nothing(
    stack: FaultStack, clients: Traffic
) -> None:
    before = len(clients.acknowledged)
    stack.postgres.kill()

    async def singly() -> None:
        for _ in range(SINGLE // 5):
            await clients.one()

    await asyncio.gather(*(singly() for _ in range(5)), clients.many(TEN_MINUTES - SINGLE))
    assert len(clients.acknowledged) - before == TEN_MINUTES
    await asyncio.to_thread(stack.postgres.start)
    await clients.settled(within_s=4 * PATIENCE_S)  # it heals at once; 30,000 events take theirs


async def test_without_redis_selection_goes_on_and_feedback_is_told_when_to_come_again(
    stack: FaultStack, clients: Traffic
) -> None:
    stack.valkey.kill()
    for _ in range(300):
        answer = await clients.feedback(await clients.select())
        assert answer.status_code == 503
        assert answer.json()["code"] == "SERVICE_UNAVAILABLE"
        assert int(answer.headers["Retry-After"]) >= 1
    await asyncio.to_thread(stack.valkey.start)
    again, clients.refused = clients.refused, []

    async def taken() -> bool:
        return (await clients.feedback(again[0])).status_code == 201

    await until(taken, within_s=PATIENCE_S)
    for request_id in again[1:]:
        assert (await clients.feedback(request_id)).status_code == 201
    await clients.settled(within_s=PATIENCE_S)


async def test_without_any_store_selection_goes_on_and_says_how_old_its_state_is(
    stack: FaultStack, clients: Traffic
) -> None:
    stack.postgres.kill()
    stack.valkey.kill()

    async def is_old() -> bool:
        await clients.select()
        return clients.ages_ms[-1] > 3_000

    await until(is_old, within_s=PATIENCE_S)
    await asyncio.to_thread(stack.postgres.start)
    await asyncio.to_thread(stack.valkey.start)

    async def is_young() -> bool:
        await clients.select()
        return clients.ages_ms[-1] < 1_000

    await until(is_young, within_s=PATIENCE_S)


async def test_what_redis_lost_before_it_was_learned_is_sent_again(
    stack: FaultStack, clients: Traffic
) -> None:
    stack.postgres.kill()  # nothing is learned
    await clients.many(2_000)
    for _ in range(50):
        await clients.one()
    await asyncio.to_thread(stack.empty_redis)
    await asyncio.to_thread(stack.postgres.start)
    await clients.settled(within_s=PATIENCE_S)
    for _ in range(20):
        await clients.one()
    await clients.settled(within_s=PATIENCE_S)


async def test_a_redis_that_is_flushed_while_all_runs_is_filled_again(
    stack: FaultStack, clients: Traffic
) -> None:
    for round_ in range(3):
        await asyncio.gather(*(clients.one() for _ in range(20)))
        with redis.Redis.from_url(stack.valkey.url) as connection:
            connection.flushall()
        if round_ == 1:  # the copies come back even if nobody sends anything
            async with stack.stores() as stores:
                await until(lambda: _has_copy(clients, stores.channel.fetch), within_s=PATIENCE_S)
    await clients.settled(within_s=PATIENCE_S)


async def test_a_redis_that_promises_less_from_now_on_takes_no_feedback(
    stack: FaultStack, clients: Traffic
) -> None:
    with redis.Redis.from_url(stack.valkey.url) as connection:
        connection.config_set("appendfsync", "everysec")
        await until(lambda: _refuses(clients), within_s=PATIENCE_S)
        assert (await clients.http.get("/readyz")).json()["status"] == "ready"
        await clients.select()
        connection.config_set("appendfsync", "always")

        async def accepts() -> bool:
            return not await _refuses(clients)

        await until(accepts, within_s=PATIENCE_S)


async def _refuses(clients: Traffic) -> bool:
    answer = await clients.feedback(await clients.select())
    return answer.status_code == 503 and "PROXY_DURABILITY" in answer.json()["detail"]


async def _has_copy(clients: Traffic, fetch: object) -> bool:
    assert callable(fetch)
    return await fetch(clients.experiment) is not None
