"""Another policy decides: a bundle that was checked, or what decided before."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from qbrix.bundle import Bundle, TrustedKeys
from qbrix.errors import BundleError, InvalidRequest, Unavailable
from serving.proxy.documents.answers import Promoted, RolledBack
from serving.proxy.experiments.controls import Controls
from serving.proxy.experiments.service import Experiments
from serving.storage.base import Catalog, ControlRequest, ExperimentRecord, Ledger

__all__ = ["Promotion"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Promotion:
    """Checks the signature here; cortex replays the trace and makes the change a batch."""

    catalog: Catalog
    ledger: Ledger
    experiments: Experiments
    controls: Controls
    trusted: TrustedKeys
    deadline_s: float

    async def promote(self, tenant: str, experiment: str, data: bytes) -> Promoted:
        """Epoch, version and certificate; raises NotFound, BundleError, Unavailable."""
        record = (await self.experiments.get(tenant, experiment)).record
        bundle = await asyncio.to_thread(self._admitted, data)
        await self.catalog.put_bundle(tenant, bundle.sha256, data)
        outcome = await self._replaced(record, "promote", {"bundle": bundle.sha256})
        return {
            "experiment_id": experiment,
            "bundle": bundle.sha256,
            "epoch": outcome["epoch"],
            "version": outcome["version"],
            "certificate": outcome["certificate"],
        }

    async def roll_back(self, tenant: str, experiment: str, *, version: int) -> RolledBack:
        """What a control change let decide decides again; raises as `promote`, InvalidRequest."""
        record = (await self.experiments.get(tenant, experiment)).record
        found = await self.ledger.batches(experiment, after=version - 1, limit=1, changes_only=True)
        control = found[0].batch.control if found else None
        if control is None or found[0].batch.version != version:
            raise InvalidRequest(
                f"version = {version} is no change of what decides; give one that the ledger lists "
                "under changes_only",
                code="VALIDATION_ERROR",
            )
        ref = control.configuration.policy
        back_to = {"name": ref.name, "parameters": dict(ref.parameters), "bundle": ref.bundle}
        outcome = await self._replaced(record, "rollback", {"back_to": back_to})
        return {
            "experiment_id": experiment,
            "policy": ref.name,
            "bundle": ref.bundle,
            "epoch": outcome["epoch"],
            "version": outcome["version"],
        }

    async def _replaced(
        self, record: ExperimentRecord, reason: str, change: dict[str, Any]
    ) -> dict[str, Any]:
        """What cortex made of it; raises BundleError, or Unavailable when nobody took it."""
        control = await self.catalog.request_control(
            ControlRequest(id=0, experiment=record.id, reason=reason, change=change, start="bundle")
        )
        settled = await self.controls.settled(control, shard=record.shard, within_s=self.deadline_s)
        if settled.status == "pending":
            settled = await self.controls.cancelled(settled)
        await self.experiments.announce(record.id)
        if settled.status == "rejected":
            # Who was deleted meanwhile is not found.
            await self.experiments.get(record.tenant, record.id)
            told = settled.outcome
            raise BundleError(told.get("reason", "trace"), told.get("message", "refused"))
        if settled.status != "applied":
            raise Unavailable("no cortex took the change in time; nothing has changed, try again")
        return settled.outcome

    def _admitted(self, data: bytes) -> Bundle:
        bundle = Bundle.from_bytes(data)
        bundle.check_signature(self.trusted)
        return bundle
