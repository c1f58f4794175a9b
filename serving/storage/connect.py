"""From URLs to the stores."""

from __future__ import annotations

from serving.storage.base import Stores
from serving.storage.memory import memory_stores
from serving.storage.postgres import (
    Database,
    PostgresAccounts,
    PostgresArchive,
    PostgresAudit,
    PostgresCatalog,
    PostgresInsight,
    PostgresLedger,
    PostgresWindows,
)
from serving.storage.redis import RedisChannel, RedisConnection, RedisIntake

__all__ = ["memory_stores", "open_stores"]


async def open_stores(*, postgres_url: str, redis_url: str) -> Stores:
    """Stores over real servers; connections are made when they are needed."""
    database = Database(postgres_url)
    await database.open()
    connection = RedisConnection(redis_url)

    async def close() -> None:
        await connection.close()
        await database.close()

    return Stores(
        catalog=PostgresCatalog(database),
        accounts=PostgresAccounts(database),
        audit=PostgresAudit(database),
        insight=PostgresInsight(database),
        ledger=PostgresLedger(database),
        archive=PostgresArchive(database),
        windows=PostgresWindows(database),
        intake=RedisIntake(connection),
        channel=RedisChannel(connection),
        close=close,
    )
