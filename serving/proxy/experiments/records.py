"""Experiments as requests need them: record, pool and the arms' JSON, kept in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from qbrix.errors import NotFound
from serving.proxy.agent.contexts import ContextShape, shape_of
from serving.proxy.gates.passage import CompiledGate, control_arm
from serving.proxy.stale_cache import Ages, StaleCache
from serving.storage.base import Catalog, ExperimentRecord, PoolRecord

__all__ = ["ExperimentView", "Records", "is_digest", "is_id", "view_of"]


@dataclass(frozen=True, slots=True)
class ExperimentView:
    """A record with its pool; ``arms`` are the wire's ``{id, name, index}``, already encoded.

    ``control`` is the arm of a paused experiment; ``stamp`` is the store's of record and pool, None
    when they were not read but written.
    """

    record: ExperimentRecord
    pool: PoolRecord
    arms: tuple[msgspec.Raw, ...]
    context: ContextShape
    gate: CompiledGate | None
    control: int
    stamp: str | None = None


class Records:
    """Experiment id → view; a change is put at once here and heard of elsewhere."""

    def __init__(self, catalog: Catalog, *, ttl_s: float) -> None:
        self._catalog = catalog
        self._views: StaleCache[ExperimentView] = StaleCache(
            self._find, ttl_s=ttl_s, still=self._still
        )

    def known(self, tenant: str, experiment: str) -> ExperimentView | None:
        """The tenant's experiment if memory has it."""
        view = self._views.peek(experiment)
        return view if view is not None and view.record.tenant == tenant else None

    async def get(self, tenant: str, experiment: str) -> ExperimentView:
        """The tenant's experiment; raises NotFound, or Unavailable when nobody can tell."""
        view = await self._views.get(experiment) if is_id(experiment) else None
        if view is None or view.record.tenant != tenant:
            raise NotFound("experiment", experiment)
        return view

    async def renewed(self, tenant: str, experiment: str) -> ExperimentView:
        """The tenant's experiment as it is stored now; raises as `get`, or Unavailable."""
        self._views.put(experiment, await self._find(experiment))
        return await self.get(tenant, experiment)

    def put(self, experiment: str, view: ExperimentView | None) -> None:
        """Remember what was written; None after a delete."""
        self._views.put(experiment, view)

    def forget(self, experiment: str) -> None:
        """The record was changed elsewhere; all of them for an empty id."""
        if experiment:
            self._views.invalidate(experiment)
        else:
            self._views.invalidate_all()

    def ages(self) -> Ages:
        """Of the experiments in memory."""
        return self._views.ages()

    async def close(self) -> None:
        """Stop looking up."""
        await self._views.close()

    async def _find(self, experiment: str) -> ExperimentView | None:
        found = await self._catalog.find_experiment(experiment)
        if found is None:
            return None
        record, pool, stamp = found
        return view_of(record, pool, stamp=stamp)

    async def _still(self, views: Mapping[str, ExperimentView]) -> set[str]:
        stamps = await self._catalog.stamps(list(views))
        return {
            experiment
            for (experiment, view), stamp in zip(views.items(), stamps, strict=True)
            if stamp is not None and stamp == view.stamp
        }


def view_of(
    record: ExperimentRecord, pool: PoolRecord, *, stamp: str | None = None
) -> ExperimentView:
    """The view of a record that is at hand."""
    encode = msgspec.json.encode
    arms = tuple(
        msgspec.Raw(encode({"id": arm.id, "name": arm.name, "index": arm.index}))
        for arm in pool.arms
    )
    gate = None if record.gate is None else CompiledGate(record.gate, pool)
    control = control_arm(pool) if gate is None else gate.control
    return ExperimentView(record, pool, arms, shape_of(record), gate, control, stamp)


def is_id(text: str) -> bool:
    """Whether this can be one of our ids: 32 lowercase hex characters."""
    return len(text) == 32 and not text.strip("0123456789abcdef")


def is_digest(text: str) -> bool:
    """Whether this can be a SHA-256: 64 lowercase hex characters."""
    return len(text) == 64 and not text.strip("0123456789abcdef")
