"""A deployment as motors are given it: made by the proxy for version 0, by cortex from then on."""

from __future__ import annotations

from qbrix.ledger import Deployment
from qbrix.state import to_bytes
from serving.storage.records import StateRecord

__all__ = ["state_record"]


def state_record(
    deployment: Deployment, *, tenant: str, term: int, published_ms: int, with_law: bool = True
) -> StateRecord:
    """The record, with the law (after floor and mask) of a policy that needs no context.

    This may take a while for a policy with quadrature and many arms: call it off the event loop.
    """
    law = None
    if with_law and not deployment.policy.capabilities.context:
        law = deployment.decider().propensities(None).astype("<f8").tobytes()
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
        published_ms=published_ms,
    )
