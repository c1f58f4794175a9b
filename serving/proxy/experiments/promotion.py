"""Promotion: a bundle becomes what decides, once its signature and golden trace were checked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from qbrix.bundle import Bundle, TrustedKeys
from qbrix.errors import BundleError, Unavailable
from serving.proxy.documents.answers import Promoted
from serving.proxy.experiments.controls import Controls
from serving.proxy.experiments.service import Experiments
from serving.storage.base import Catalog, ControlRequest

__all__ = ["Promotion"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Promotion:
    """Checks the signature here; cortex replays the trace and makes the change a batch."""

    catalog: Catalog
    experiments: Experiments
    controls: Controls
    trusted: TrustedKeys
    deadline_s: float

    async def promote(self, tenant: str, experiment: str, data: bytes) -> Promoted:
        """Epoch, version and certificate; raises NotFound, BundleError, Unavailable."""
        record = (await self.experiments.get(tenant, experiment)).record
        bundle = await asyncio.to_thread(self._admitted, data)
        await self.catalog.put_bundle(tenant, bundle.sha256, data)
        control = await self.catalog.request_control(
            ControlRequest(
                id=0,
                experiment=experiment,
                reason="promote",
                change={"bundle": bundle.sha256},
                start="bundle",
            )
        )
        settled = await self.controls.settled(control, shard=record.shard, within_s=self.deadline_s)
        if settled.status == "pending":
            settled = await self.controls.cancelled(settled)
        await self.experiments.announce(experiment)
        if settled.status == "rejected":
            await self.experiments.get(tenant, experiment)  # who was deleted meanwhile is not found
        return _answer(settled, bundle)

    def _admitted(self, data: bytes) -> Bundle:
        bundle = Bundle.from_bytes(data)
        bundle.check_signature(self.trusted)
        return bundle


def _answer(settled: ControlRequest, bundle: Bundle) -> Promoted:
    outcome = settled.outcome
    if settled.status == "rejected":
        raise BundleError(outcome.get("reason", "trace"), outcome.get("message", "refused"))
    if settled.status != "applied":
        raise Unavailable("no cortex took the promotion in time; nothing has changed, try again")
    return {
        "experiment_id": settled.experiment,
        "bundle": bundle.sha256,
        "epoch": outcome["epoch"],
        "version": outcome["version"],
        "certificate": outcome["certificate"],
    }
