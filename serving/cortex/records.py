"""From a deployment to what is stored and published about it."""

from __future__ import annotations

import time

from qbrix.bundle.source import foreign_code
from qbrix.errors import InvalidParameter
from qbrix.ledger import Batch, Deployment
from qbrix.state import to_bytes
from qbrix.types import Array
from serving.storage.records import CommittedBatch, StateRecord

__all__ = ["committed", "law_of", "now_ms", "state_record"]


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def committed(batch: Batch, deployment: Deployment) -> CommittedBatch:
    """A batch with the digests that it leads to."""
    return CommittedBatch(
        batch=batch,
        ledger_digest=deployment.ledger_digest,
        state_digest=deployment.state_digest,
        committed_ms=now_ms(),
    )


def state_record(
    deployment: Deployment, *, tenant: str, term: int, law: bytes | None = None
) -> StateRecord:
    """A snapshot; what is published carries the law as well."""
    return StateRecord(
        experiment=deployment.experiment,
        tenant=tenant,
        epoch=deployment.epoch,
        version=deployment.version,
        term=term,
        configuration=deployment.configuration.to_json(),
        state=to_bytes(deployment.state),
        law=law,
        ledger_digest=deployment.ledger_digest,
        state_digest=deployment.state_digest,
        published_ms=now_ms(),
    )


def law_of(deployment: Deployment) -> bytes | None:
    """Propensities of a policy without context, computed once for every replica."""
    if deployment.policy.capabilities.context:
        return None
    name = deployment.configuration.policy.name
    with foreign_code("prepare", doing=f"preparing {name} for version {deployment.version}"):
        law: Array = deployment.decider().propensities(None)
    if law.shape != (deployment.configuration.n_arms,):
        raise InvalidParameter(f"{name} gives propensities of shape {law.shape}")
    return law.astype("<f8").tobytes()
