"""Leadership of a shard: held by a lease in the ledger, renewed in the background."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from qbrix.errors import Unavailable
from serving.storage.base import Ledger

__all__ = ["Lease"]

_log = structlog.get_logger("cortex")


class Lease:
    """One shard's lease as this process sees it; the ledger refuses a step of another term."""

    def __init__(
        self,
        ledger: Ledger,
        shard: int,
        *,
        holder: str,
        ttl_s: float,
        renew_s: float,
        predecessor: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._shard = shard
        self._holder = holder
        self._ttl_s = ttl_s
        self._renew_s = renew_s
        self._predecessor = predecessor
        self._clock = clock
        self._term: int | None = None
        self._until_s = 0.0

    @property
    def term(self) -> int | None:
        """The term, while the lease is surely ours."""
        return self._term if self._clock() < self._until_s else None

    @property
    def known(self) -> bool:
        """Whether the ledger said lately who holds the lease."""
        return self._clock() < self._until_s

    async def renew(self) -> int | None:
        """Take or renew the lease now; None when somebody else has it."""
        if self._predecessor is not None:  # nobody has to wait for the dead
            await self._ledger.release(self._shard, holder=self._predecessor)
            self._predecessor = None
        asked_s = self._clock()
        term = await self._ledger.acquire(self._shard, holder=self._holder, ttl_s=self._ttl_s)
        if term != self._term:
            _log.info("lease", shard=self._shard, term=term, before=self._term)
        self._term, self._until_s = term, asked_s + self._ttl_s
        return term

    async def keep(self) -> None:
        """Renew for ever; who waits for the lease looks twice as often."""
        while True:
            try:
                await self.renew()
            except Unavailable as error:
                _log.warning("lease_not_renewed", shard=self._shard, error=str(error))
            await asyncio.sleep(self._renew_s if self.term is not None else self._renew_s / 2)

    async def release(self) -> None:
        """Let others have it at once."""
        self._term = None
        await self._ledger.release(self._shard, holder=self._holder)
