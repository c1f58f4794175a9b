"""Gates of experiments: made, replaced, changed in part and taken away."""

from __future__ import annotations

from dataclasses import dataclass

from qbrix.errors import Conflict, NotFound
from serving.proxy.experiments.records import ExperimentView
from serving.proxy.experiments.service import Experiments
from serving.proxy.gates.bodies import GatePatch, GateRequest
from serving.proxy.gates.reading import gate_of, patched_gate
from serving.storage.base import Catalog, GateRecord

__all__ = ["Gates"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gates:
    """The gates of the tenant's experiments; every proxy hears of a change."""

    catalog: Catalog
    experiments: Experiments

    async def get(self, tenant: str, experiment: str) -> ExperimentView:
        """The experiment, which has a gate; raises NotFound for either."""
        view = await self.experiments.get(tenant, experiment)
        if view.record.gate is None:
            raise NotFound("gate", experiment)
        return view

    async def create(self, tenant: str, experiment: str, body: GateRequest) -> ExperimentView:
        """Raises NotFound, InvalidRequest, or Conflict when there is one."""
        view = await self.experiments.get(tenant, experiment)
        if view.record.gate is not None:
            raise Conflict(
                f"experiment {experiment} has a gate; replace it by PUT or change it by PATCH",
                code="GATE_ALREADY_EXISTS",
            )
        return await self._put(view, gate_of(body, view.pool, version=1))

    async def replace(self, tenant: str, experiment: str, body: GateRequest) -> ExperimentView:
        """Raises NotFound, InvalidRequest, Conflict."""
        view = await self.get(tenant, experiment)
        assert view.record.gate is not None
        return await self._put(view, gate_of(body, view.pool, version=view.record.gate.version + 1))

    async def put(self, tenant: str, experiment: str, body: GateRequest) -> ExperimentView:
        """Create or replace; raises NotFound, InvalidRequest, Conflict."""
        view = await self.experiments.get(tenant, experiment)
        before = view.record.gate
        version = 1 if before is None else before.version + 1
        return await self._put(view, gate_of(body, view.pool, version=version))

    async def check(self, tenant: str, experiment: str, body: GateRequest) -> None:
        """Raises NotFound or InvalidRequest where `put` would."""
        view = await self.experiments.get(tenant, experiment)
        gate_of(body, view.pool, version=1)

    async def patch(self, tenant: str, experiment: str, body: GatePatch) -> ExperimentView:
        """What ``body`` was given takes the place of what is stored."""
        view = await self.get(tenant, experiment)
        assert view.record.gate is not None
        gate = patched_gate(view.record.gate, body, view.pool)
        return await self._put(view, gate)

    async def delete(self, tenant: str, experiment: str) -> None:
        """Raises NotFound."""
        await self._put(await self.get(tenant, experiment), None)

    async def _put(self, view: ExperimentView, gate: GateRecord | None) -> ExperimentView:
        record = view.record
        expected = None if record.gate is None else record.gate.version
        await self.catalog.put_gate(record.tenant, record.id, gate, expected=expected)
        await self.experiments.announce(record.id)
        return await self.experiments.get(record.tenant, record.id)
