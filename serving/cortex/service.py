"""The role: a worker for every shard, woken by the proxies' calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import import_module

from serving.cortex.lease import Lease
from serving.cortex.times import Timing
from serving.cortex.upkeep import Upkeep
from serving.cortex.vitals import Vitals
from serving.cortex.worker import ShardWorker
from serving.loading import PolicyLoader
from serving.readiness import Pulses, Readiness
from serving.storage import keys
from serving.storage.base import Stores
from serving.telemetry import CortexMetrics

__all__ = ["Cortex"]

_HEAVY = "scipy.special"  # many laws need it; the first one should not have to wait for it


class Cortex:
    """Learns for the shards that it leads; several of them share the shards by lease.

    ``holder`` names this life of this process, ``predecessor`` one that is over for certain: its
    leases need not be waited out. A task that dies takes the role with it (`wait`
    raises): the supervisor starts a new one, which goes on from the ledger.
    """

    def __init__(
        self,
        stores: Stores,
        loader: PolicyLoader,
        *,
        shards: Sequence[int],
        holder: str,
        predecessor: str | None = None,
        lease_ttl_s: float = 5.0,
        lease_renew_s: float = 1.0,
        timing: Timing | None = None,
        metrics: CortexMetrics | None = None,
        upkeep: Upkeep | None = None,
    ) -> None:
        self.holder = holder
        self.metrics = metrics or CortexMetrics()
        timing = timing or Timing()
        self._stores = stores
        self._loader = loader
        self._upkeep = upkeep
        self._workers = [
            ShardWorker(
                stores,
                loader,
                Lease(
                    stores.ledger,
                    shard,
                    holder=holder,
                    ttl_s=lease_ttl_s,
                    renew_s=lease_renew_s,
                    predecessor=predecessor,
                ),
                shard=shard,
                metrics=self.metrics,
                timing=timing,
            )
            for shard in shards
        ]
        self.vitals = Vitals(
            self._workers, stores.intake, metrics=self.metrics, behind_limit_s=timing.behind_limit_s
        )
        self.metrics.watch(
            "qbrix_stalled_bundles",
            "bundles whose code did not return and is left alone for now",
            lambda: float(len(loader.limit.stalled)),
        )
        self._by_shard = dict(zip(map(str, shards), self._workers, strict=True))
        self._tasks: list[asyncio.Task[None]] = []
        self._helpers: list[asyncio.Task[None]] = []

    @property
    def leads(self) -> int:
        """How many shards this process leads now."""
        return sum(worker.leads for worker in self._workers)

    @property
    def healthy(self) -> bool:
        """Whether every shard that this process leads keeps up, and the stores answer."""
        return self.vitals.healthy

    def readiness(self, pulses: Pulses) -> Readiness:
        """Ready while its shards keep up; how far each is behind, and what hinders it."""
        told = {"stalled_bundles": self._loader.limit.stalled, "answered_s": pulses.ages_s()}
        return Readiness(self.healthy, {**self.vitals.facts(), **told})

    async def start(self) -> None:
        """Begin to lead and learn."""
        warm = asyncio.create_task(_warm_up())
        self._tasks = [asyncio.create_task(_after(warm, worker)) for worker in self._workers]
        works = (self._listen(), self.vitals.run())
        self._helpers = [warm, *(asyncio.create_task(work) for work in works)]
        if self._upkeep is not None:
            self._helpers.append(asyncio.create_task(self._upkeep.run()))

    async def wait(self) -> None:
        """Until the role ends; raises what ended it."""
        tasks = [*self._tasks, *self._helpers]
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def stop(self, *, deadline_s: float = 10.0) -> None:
        """Finish the steps under way, publish, give the leases back."""
        for worker in self._workers:
            worker.stop()
        for helper in self._helpers:
            helper.cancel()
        tasks = [*self._tasks, *self._helpers]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=deadline_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def drain(self) -> None:
        """Until everything that was sent is learned and published; for tests and notebooks."""
        for worker in self._workers:
            await worker.drain()

    async def _listen(self) -> None:
        async for _, payload in self._stores.channel.listen(keys.CONTROLS):
            woken = [self._by_shard[payload]] if payload in self._by_shard else self._workers
            for worker in woken:
                worker.wake()


async def _warm_up() -> None:
    await asyncio.to_thread(import_module, _HEAVY)


async def _after(warm: asyncio.Task[None], worker: ShardWorker) -> None:
    """Two threads that import at the same time can see each other's half-made modules."""
    await asyncio.wait([warm])
    await worker.run()
