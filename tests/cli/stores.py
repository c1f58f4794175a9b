"""The stores that the commands and roles of a test work on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from serving.storage.base import Stores
from serving.storage.connect import open_stores

__all__ = ["over"]

T = TypeVar("T")


def over(environment: Mapping[str, str], work: Callable[[Stores], Awaitable[T]]) -> T:
    """Do something with the stores themselves."""

    async def opened() -> T:
        stores = await open_stores(
            postgres_url=environment["QBRIX_POSTGRES_URL"],
            redis_url=environment["QBRIX_REDIS_URL"],
        )
        try:
            return await work(stores)
        finally:
            await stores.close()

    return asyncio.run(opened())
