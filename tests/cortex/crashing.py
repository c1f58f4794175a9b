"""A cortex in a process of its own, to be killed."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing.context import ForkServerProcess

from serving.cortex.times import now_ms
from serving.failpoints import armed
from serving.storage.connect import open_stores
from tests.cortex.world import cortex_of
from tests.waiting import PATIENCE_S

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__, "scipy.special"])


@contextmanager
def cortex_process(
    *, postgres_url: str, redis_url: str, shard: int, failpoint: str = "", at_ms: int | None = None
) -> Iterator[ForkServerProcess]:
    """A running cortex for one shard; killed at the end if it still runs.

    By its clock it is always ``at_ms``, if that is given.
    """
    process = CONTEXT.Process(target=_main, args=(postgres_url, redis_url, shard, failpoint, at_ms))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join(PATIENCE_S)
        process.close()


def _main(postgres_url: str, redis_url: str, shard: int, failpoint: str, at_ms: int | None) -> None:
    with armed(failpoint) if failpoint else nullcontext():
        asyncio.run(_run(postgres_url, redis_url, shard, at_ms))


async def _run(postgres_url: str, redis_url: str, shard: int, at_ms: int | None) -> None:
    stores = await open_stores(postgres_url=postgres_url, redis_url=redis_url)
    clock = now_ms if at_ms is None else lambda: at_ms
    cortex = cortex_of(stores, shards=[shard], clock=clock)
    await cortex.start()
    await cortex.wait()
