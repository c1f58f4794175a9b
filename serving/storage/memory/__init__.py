"""Stores in the memory of one process: for tests, notebooks and a first look."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from serving.storage.base import Stores
from serving.storage.memory.accounts import MemoryAccounts, MemoryAudit
from serving.storage.memory.archive import MemoryArchive
from serving.storage.memory.catalog import MemoryCatalog
from serving.storage.memory.channel import MemoryChannel
from serving.storage.memory.insight import MemoryInsight
from serving.storage.memory.intake import MemoryIntake
from serving.storage.memory.ledger import MemoryLedger
from serving.storage.memory.windows import MemoryWindows
from serving.storage.memory.world import World

__all__ = ["memory_stores"]


def memory_stores(*, clock: Callable[[], float] = monotonic) -> Stores:
    """Stores that share one world; ``clock`` (in seconds) is what leases run by."""
    world = World()

    async def close() -> None:
        """There is nothing to close."""

    return Stores(
        catalog=MemoryCatalog(world),
        accounts=MemoryAccounts(world),
        audit=MemoryAudit(world),
        insight=MemoryInsight(world),
        ledger=MemoryLedger(world, clock=clock),
        archive=MemoryArchive(world),
        windows=MemoryWindows(world),
        intake=MemoryIntake(),
        channel=MemoryChannel(),
        close=close,
    )
