"""Every store over every backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from serving.storage.base import Channel, Intake, Stores
from serving.storage.connect import memory_stores, open_stores
from serving.storage.migrate import migrate
from serving.storage.redis import RedisChannel, RedisConnection, RedisIntake

BACKENDS = ("memory", "servers")


# Emptying tables is much faster than making a database for every test.
EMPTY = "; ".join(
    f"DELETE FROM {table}"
    for table in (
        "audit",
        "sessions",
        "invites",
        "users",
        "api_keys",
        "tenants",
        "pools",
        "bundles",
        "controls",
        "batches",
        "ledger",
        "ledger_keys",
        "snapshots",
        "promotions",
        "dead_letters",
        "decisions",
        "decision_numbers",
        "leases",
        "positions",
        "windows",
        "checkpoints",
        "experiments",
    )
)


@pytest.fixture(scope="session")
def ledger_url(postgres_url: str) -> str:
    """A database that the tests of this folder share."""
    asyncio.run(migrate(postgres_url))
    return postgres_url


@pytest.fixture(params=BACKENDS)
def urls(request: pytest.FixtureRequest) -> tuple[str, str] | None:
    """Of Postgres and of an empty Valkey; None for the memory."""
    if request.param == "memory":
        return None
    return (
        request.getfixturevalue("ledger_url"),
        request.getfixturevalue("fresh_redis_url"),
    )


@pytest.fixture
async def stores(urls: tuple[str, str] | None) -> AsyncIterator[Stores]:
    """Empty stores."""
    if urls is None:
        yield memory_stores()
        return
    connection = await asyncpg.connect(urls[0])
    await connection.execute(EMPTY)
    await connection.close()
    opened = await open_stores(postgres_url=urls[0], redis_url=urls[1])
    yield opened
    await opened.close()


@pytest.fixture(params=BACKENDS)
def optional_redis_url(request: pytest.FixtureRequest) -> str | None:
    """Of an empty Valkey; None for the memory."""
    if request.param == "memory":
        return None
    url: str = request.getfixturevalue("fresh_redis_url")
    return url


@pytest.fixture
async def streams(optional_redis_url: str | None) -> AsyncIterator[tuple[Intake, Channel]]:
    """An empty intake and channel."""
    if optional_redis_url is None:
        memory = memory_stores()
        yield memory.intake, memory.channel
        return
    connection = RedisConnection(optional_redis_url)
    yield RedisIntake(connection), RedisChannel(connection)
    await connection.close()


@pytest.fixture
def intake(streams: tuple[Intake, Channel]) -> Intake:
    """An empty intake."""
    return streams[0]


@pytest.fixture
def channel(streams: tuple[Intake, Channel]) -> Channel:
    """An empty channel."""
    return streams[1]
