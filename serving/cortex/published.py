"""A head as motors and readers are given it."""

from __future__ import annotations

from qbrix.bundle.source import foreign_code
from qbrix.errors import QbrixError
from serving.cortex.deployments import Live
from serving.cortex.times import now_ms
from serving.publishing import state_record
from serving.storage.base import StateRecord

__all__ = ["published", "snapshot_of"]


def published(live: Live, *, term: int) -> StateRecord:
    """The record for the motors; raises QbrixError when the policy cannot decide."""
    deployment = live.deployment
    name = deployment.configuration.policy.name
    with foreign_code("prepare", doing=f"preparing {name} at version {deployment.version}"):
        return state_record(deployment, tenant=live.record.tenant, term=term, published_ms=now_ms())


def snapshot_of(live: Live, *, term: int) -> StateRecord:
    """The record for the ledger, which keeps also a head that cannot decide."""
    try:
        return published(live, term=term)
    except QbrixError:
        return state_record(
            live.deployment,
            tenant=live.record.tenant,
            term=term,
            published_ms=now_ms(),
            with_law=False,
        )
