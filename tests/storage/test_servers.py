"""What only real servers do: they migrate, restart, go away and come back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio.connection import AbstractConnection

from qbrix.errors import Conflict, Unavailable
from serving.stack.servers import EmbeddedValkey
from serving.storage import keys
from serving.storage.base import Stores
from serving.storage.connect import open_stores
from serving.storage.migrate import current, head, migrate
from serving.storage.postgres.database import translated
from serving.storage.reading import reaches
from serving.storage.redis import RedisChannel, RedisConnection, RedisIntake
from tests.storage.records import feedback, make_state
from tests.waiting import PATIENCE_S

NOWHERE = "127.0.0.1:1"


async def test_many_may_migrate_at_once_and_again(empty_postgres_url: str) -> None:
    assert await current(empty_postgres_url) is None
    done = await asyncio.gather(*(migrate(empty_postgres_url) for _ in range(4)))
    assert set(done) == {head()}
    assert await current(empty_postgres_url) == head()
    assert await migrate(empty_postgres_url) == head()


async def test_a_database_of_a_newer_version_is_left_alone(empty_postgres_url: str) -> None:
    await migrate(empty_postgres_url)
    connection = await asyncpg.connect(empty_postgres_url)
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await connection.close()
    with pytest.raises(Unavailable, match="newer"):
        await migrate(empty_postgres_url)


async def test_a_database_without_a_schema_says_how_to_get_one(
    empty_postgres_url: str, redis_url: str
) -> None:
    stores = await open_stores(postgres_url=empty_postgres_url, redis_url=redis_url)
    with pytest.raises(Unavailable, match="qbrix migrate"):
        await stores.ledger.snapshot("e")
    await stores.close()


async def test_stores_open_before_their_servers_and_say_that_they_are_away() -> None:
    stores = await open_stores(
        postgres_url=f"postgresql://x:y@{NOWHERE}/z", redis_url=f"redis://{NOWHERE}/0"
    )
    for call in (
        stores.catalog.ping(),
        stores.channel.ping(),
        stores.ledger.acquire(0, holder="a", ttl_s=1.0),
        stores.intake.append_feedback(0, [feedback("e", 1)]),
        stores.intake.durability(),
        stores.channel.fetch("e"),
    ):
        with pytest.raises(Unavailable):
            await call
    await stores.close()


async def test_rows_are_relational_and_keys_partitioned(fresh_postgres_url: str) -> None:
    connection = await asyncpg.connect(fresh_postgres_url)
    kinds = await connection.fetch(
        "SELECT attname, atttypid::regtype::text AS kind FROM pg_attribute"
        " WHERE attrelid = 'ledger'::regclass AND attnum > 0"
    )
    strategy = await connection.fetchval(
        "SELECT partstrat FROM pg_partitioned_table WHERE partrelid = 'ledger_keys'::regclass"
    )
    await connection.close()
    by_name = {row["attname"]: row["kind"] for row in kinds}
    assert by_name["reward"] == by_name["propensity"] == "double precision"
    assert by_name["context"] == by_name["recorded"] == "bytea"
    assert strategy == b"h"


async def test_a_restarted_server_has_what_was_acknowledged(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        connection = RedisConnection(server.url)
        intake = RedisIntake(connection)
        name = await intake.incarnation(0)
        assert await intake.durability() == "always"
        await intake.append_feedback(0, [feedback("e", 1)])
        server.kill()
        with pytest.raises(Unavailable):
            await intake.append_feedback(0, [feedback("e", 2)])
        server.start()
        read = await intake.read_feedback(0, after="0", limit=9, block_ms=0)
        assert read.events[:1] == [feedback("e", 1)]
        assert await intake.incarnation(0) == name
        await connection.close()


async def test_a_flushed_server_has_another_incarnation(fresh_redis_url: str) -> None:
    connection = RedisConnection(fresh_redis_url)
    intake = RedisIntake(connection)
    name = await intake.incarnation(0)
    await connection.command("FLUSHALL")
    assert await intake.incarnation(0) != name
    await connection.close()


async def _kept(connection: RedisConnection) -> list[tuple[str, bytes]]:
    """What a server that comes back may have of a shard."""
    names = keys.streams(0), keys.feedback_stream(0)
    return [(name, await connection.command("DUMP", name)) for name in names]


async def _put_back(connection: RedisConnection, kept: list[tuple[str, bytes]]) -> None:
    for name, dumped in kept:
        await connection.command("RESTORE", name, 0, dumped, "REPLACE")


@pytest.mark.parametrize("lost", ["the stream", "its end", "what is known of it"])
async def test_streams_that_lost_something_are_new_ones_to_whoever_sent_it(
    fresh_redis_url: str, lost: str
) -> None:
    connection = RedisConnection(fresh_redis_url)
    intake = RedisIntake(connection)
    first = await intake.append_feedback(0, [feedback("e", 1)])
    kept = await _kept(connection)
    gone = await intake.append_feedback(0, [feedback("e", 2)])
    assert gone.incarnation == first.incarnation
    if lost == "its end":
        await _put_back(connection, kept)
    else:
        known = lost == "what is known of it"
        await connection.command("DEL", keys.streams(0) if known else keys.feedback_stream(0))
    after = await intake.append_feedback(0, [feedback("e", 3)])
    assert after.incarnation != gone.incarnation
    assert (await intake.look([0])).shards[0].incarnation == after.incarnation
    assert await RedisIntake(connection).incarnation(0) == after.incarnation
    assert (await intake.append_feedback(0, [feedback("e", 4)])).incarnation == after.incarnation
    await connection.close()


async def test_a_lost_end_is_noticed_also_when_others_have_sent_more_and_that_was_learned(
    fresh_redis_url: str,
) -> None:
    connection = RedisConnection(fresh_redis_url)
    one, other = RedisIntake(connection), RedisIntake(connection)
    await one.append_feedback(0, [feedback("e", 1)])
    await other.append_feedback(0, [feedback("e", 2)])
    kept = await _kept(connection)
    gone = await other.append_feedback(0, [feedback("e", 3)])
    await _put_back(connection, kept)
    await one.append_feedback(0, [feedback("e", 4)])
    later = await one.append_feedback(0, [feedback("e", 5)])
    assert later.incarnation == gone.incarnation  # nothing of this one's is missing
    await one.trim(0, incarnation=later.incarnation, feedback=later.position, decisions="0")
    seen = (await other.look([0])).shards[0]
    assert seen.incarnation != gone.incarnation
    assert not reaches(seen.passed, gone.position)
    assert (await one.look([0])).shards[0].incarnation == seen.incarnation
    await connection.close()


async def test_what_the_ledger_has_may_vanish(fresh_redis_url: str) -> None:
    connection = RedisConnection(fresh_redis_url)
    intake = RedisIntake(connection)
    place = await intake.append_feedback(0, [feedback("e", 1)])
    await intake.trim(0, incarnation=place.incarnation, feedback=place.position, decisions="0")
    assert (await intake.append_feedback(0, [feedback("e", 2)])).incarnation == place.incarnation
    await connection.close()


async def test_a_full_server_refuses_feedback_until_it_is_trimmed(fresh_redis_url: str) -> None:
    connection = RedisConnection(fresh_redis_url)
    intake = RedisIntake(connection)
    try:
        place = await intake.append_feedback(0, [feedback("e", n) for n in range(20_000)])
        memory = await connection.command("INFO", "memory")
        full = int(memory["used_memory"]) - (1 << 20)
        await connection.command("CONFIG", "SET", "maxmemory", full)
        with pytest.raises(Unavailable, match="OutOfMemory"):
            await intake.append_feedback(0, [feedback("e", 1)])
        await intake.trim(0, incarnation=place.incarnation, feedback=place.position, decisions="0")
        assert (await intake.append_feedback(0, [feedback("e", 1)])).unread == 1
    finally:
        await connection.command("CONFIG", "SET", "maxmemory", 0)
        await connection.close()


async def test_a_listener_hears_again_after_the_server_came_back(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        connection = RedisConnection(server.url)
        channel = RedisChannel(connection)
        heard = aiter(channel.listen(keys.STATES))
        async with asyncio.timeout(PATIENCE_S):
            assert await anext(heard) == (keys.STATES, "")
            server.kill()
            server.start()
            assert await anext(heard) == (keys.STATES, "")
            await channel.publish(make_state("e", version=1))
            assert await anext(heard) == (keys.STATES, "e")
        await connection.close()


@pytest.mark.parametrize(
    ("settings", "worth"),
    [
        ({"appendfsync": "everysec"}, "everysec"),
        ({"appendfsync": "no"}, "memory"),
        ({"appendonly": "no"}, "memory"),
        ({"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}, "evicting"),
        ({"maxmemory": "0", "maxmemory-policy": "allkeys-lru"}, "always"),
        ({"maxmemory": "100mb", "maxmemory-policy": "volatile-lru"}, "always"),
    ],
)
async def test_what_an_acknowledgement_is_worth(
    fresh_redis_url: str, settings: dict[str, str], worth: str
) -> None:
    connection = RedisConnection(fresh_redis_url)
    usual = {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory": "0",
        "maxmemory-policy": "noeviction",
    }
    try:
        for name, value in (usual | settings).items():
            await connection.command("CONFIG", "SET", name, value)
        assert await RedisIntake(connection).durability() == worth
    finally:
        for name, value in usual.items():
            await connection.command("CONFIG", "SET", name, value)
        await connection.close()


async def test_a_session_that_hangs_in_a_step_does_not_keep_the_shard(
    fresh_postgres_url: str, redis_url: str
) -> None:
    stores = await open_stores(postgres_url=fresh_postgres_url, redis_url=redis_url)
    term = await stores.ledger.acquire(0, holder="slow", ttl_s=0.0)
    assert term is not None
    with pytest.raises(Conflict, match="term"):
        async with stores.ledger.step(0, term=term):
            # It holds nothing yet: whoever takes over need not wait for it, and it writes nothing.
            assert await stores.ledger.acquire(0, holder="next", ttl_s=60.0) == term + 1
    await stores.close()


async def test_a_step_that_writes_is_finished_while_its_lease_is_renewed(
    fresh_postgres_url: str, redis_url: str
) -> None:
    stores = await open_stores(postgres_url=fresh_postgres_url, redis_url=redis_url)
    term = await stores.ledger.acquire(0, holder="slow", ttl_s=60.0)
    assert term is not None
    async with stores.ledger.step(0, term=term) as step:
        assert await step.settle_control(0, status="applied", outcome={}) is False
        assert await stores.ledger.acquire(0, holder="next", ttl_s=60.0) is None
        assert await stores.ledger.acquire(0, holder="slow", ttl_s=60.0) == term
    await stores.close()


async def test_a_step_that_writes_longer_than_its_lease_is_ended_by_a_successor(
    fresh_postgres_url: str, redis_url: str
) -> None:
    stores = await open_stores(postgres_url=fresh_postgres_url, redis_url=redis_url)
    term = await stores.ledger.acquire(0, holder="paused", ttl_s=0.0)
    other = await stores.ledger.acquire(1, holder="paused", ttl_s=60.0)
    assert term is not None
    assert other is not None
    async with stores.ledger.step(1, term=other) as beside:
        await beside.settle_control(0, status="applied", outcome={})
        with pytest.raises(Unavailable):
            await outlive(stores, term=term)
        await beside.move("beside", incarnation="a", position="1")  # nobody ends another shard's
    assert await stores.ledger.position("beside") == ("a", "1")
    await stores.close()


async def outlive(stores: Stores, *, term: int) -> None:
    """A step that another holder takes over from while it writes."""
    async with stores.ledger.step(0, term=term) as step:
        await step.settle_control(0, status="applied", outcome={})
        assert await stores.ledger.acquire(0, holder="next", ttl_s=60.0) == term + 1


async def test_who_is_cancelled_just_when_a_command_was_sent_ends(
    fresh_redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment in which Python 3.11's wait_for, which redis-py uses, forgets a cancellation."""
    connection = RedisConnection(fresh_redis_url)
    await connection.command("PING")
    send = AbstractConnection._send_packed_command

    async def cancelled_after(self: AbstractConnection, command: list[bytes]) -> None:
        await send(self, command)
        asking.cancel()

    monkeypatch.setattr(AbstractConnection, "_send_packed_command", cancelled_after)
    asking = asyncio.create_task(connection.command("PING"))
    with pytest.raises(asyncio.CancelledError):
        await asking
    monkeypatch.undo()
    assert await connection.command("ECHO", "heard") == b"heard"
    await connection.close()


def test_a_connection_that_breaks_in_the_middle_of_an_exchange_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="another operation"), translated():
        raise asyncpg.InternalClientError("another operation (2) is in progress")
