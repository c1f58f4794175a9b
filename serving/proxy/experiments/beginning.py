"""Version 0 of an experiment: made by the proxy, so that select works from the start."""

from __future__ import annotations

from qbrix.bundle.resolver import BundleResolver
from qbrix.ledger import Batch, Configuration, Control, genesis
from serving.publishing import check_decides, state_record
from serving.storage.base import CommittedBatch, ExperimentRecord, StateRecord

__all__ = ["beginning"]


def beginning(
    record: ExperimentRecord, configuration: Configuration
) -> tuple[CommittedBatch, StateRecord]:
    """The first batch of the ledger and the state after it; may take a while for many arms."""
    control = Control(reason="create", configuration=configuration, start="init")
    batch = Batch(epoch=0, version=0, control=control)
    deployment = genesis(record.id, batch, BundleResolver())
    check_decides(deployment)
    committed = CommittedBatch(
        batch=batch,
        ledger_digest=deployment.ledger_digest,
        state_digest=deployment.state_digest,
        committed_ms=record.created_ms,
    )
    return committed, state_record(
        deployment, tenant=record.tenant, term=0, published_ms=record.created_ms
    )
