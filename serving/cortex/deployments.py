"""The head of the ledger, in memory: what decides now, by experiment."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from qbrix.ledger import Configuration, Deployment, Resolver, fold
from serving.loading import PolicyLoader
from serving.publishing import restored
from serving.storage.base import ExperimentRecord, Ledger

__all__ = ["Deployments", "Live"]

_PAGE = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Live:
    """An experiment with what decides for it, and the code that can fold its next batch.

    ``snapshot_version`` is the version of its snapshot when it was loaded.
    """

    record: ExperimentRecord
    deployment: Deployment
    resolver: Resolver
    snapshot_version: int = -1


class Deployments:
    """The heads of one shard's experiments; valid for one term, forgotten when a step fails."""

    def __init__(self, ledger: Ledger, loader: PolicyLoader, *, capacity: int = 10_000) -> None:
        self._ledger = ledger
        self._loader = loader
        self._capacity = capacity
        self._live: OrderedDict[str, Live] = OrderedDict()

    async def get(self, experiment: str) -> Live | None:
        """The head, loaded if need be; None when there is no such live experiment.

        Raises Unavailable when a store is away, another QbrixError when the policy cannot run here.
        """
        known = self._live.get(experiment)
        if known is not None:
            self._live.move_to_end(experiment)
            return known
        record = await self._ledger.experiment(experiment)
        if record is None:
            return None
        live = await self._load(record)
        if live is not None:
            self.put(live)
        return live

    def at_hand(self, experiment: str) -> Live | None:
        """The head, if it is in memory."""
        return self._live.get(experiment)

    def put(self, live: Live) -> None:
        """The head moved, and the ledger has it."""
        self._live[live.record.id] = live
        self._live.move_to_end(live.record.id)
        while len(self._live) > self._capacity:
            self._live.popitem(last=False)

    def forget(self, experiment: str) -> None:
        """Read this one again: its record was changed by somebody else."""
        self._live.pop(experiment, None)

    def forget_all(self) -> None:
        """Nobody knows what the ledger holds now."""
        self._live.clear()

    async def _load(self, record: ExperimentRecord) -> Live | None:
        """Snapshot, then the batches behind it."""
        snapshot = await self._ledger.snapshot(record.id)
        if snapshot is None:
            return None
        configuration = Configuration.from_json(snapshot.configuration)
        resolver = await self._loader.resolver_for(configuration)
        deployment = await asyncio.to_thread(restored, snapshot, resolver)
        while batches := await self._ledger.batches(
            record.id, after=deployment.version, limit=_PAGE
        ):
            for committed in batches:
                control = committed.batch.control
                if control is not None:
                    resolver = await self._loader.resolver_for(control.configuration)
                deployment = await asyncio.to_thread(fold, deployment, committed.batch, resolver)
        return Live(
            record=record,
            deployment=deployment,
            resolver=resolver,
            snapshot_version=snapshot.version,
        )
