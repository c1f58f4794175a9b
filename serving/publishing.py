"""A deployment as motors are given it: made by the proxy for version 0, by cortex from then on."""

from __future__ import annotations

from qbrix.bundle.source import foreign_code
from qbrix.errors import InvalidParameter
from qbrix.ledger import Configuration, Deployment, Resolver
from qbrix.rng import stream
from qbrix.state import from_bytes, to_bytes
from qbrix.types import Array
from serving.storage.records import StateRecord

__all__ = ["check_decides", "is_law", "restored", "state_record"]


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


def restored(snapshot: StateRecord, resolver: Resolver) -> Deployment:
    """The deployment that a stored state belongs to."""
    configuration = Configuration.from_json(snapshot.configuration)
    policy = resolver.policy(configuration.policy)
    return Deployment(
        experiment=snapshot.experiment,
        epoch=snapshot.epoch,
        version=snapshot.version,
        configuration=configuration,
        policy=policy,
        state=from_bytes(policy.state_type, snapshot.state),
        ledger_digest=snapshot.ledger_digest,
        state_digest=snapshot.state_digest,
    )


def check_decides(deployment: Deployment) -> None:
    """Refuse what could not answer the next select; raises InvalidParameter."""
    configuration = deployment.configuration
    policy, n_arms, dim = deployment.policy, configuration.n_arms, configuration.dim
    with foreign_code("decide", doing=f"a decision by {configuration.policy.name}"):
        context = None
        if policy.capabilities.context:
            rng = stream(0, "decides")
            context = policy.example_contexts(rng, n=1, n_arms=n_arms, dim=dim)[0]
        law = deployment.decider().propensities(context)
    if not is_law(law, n_arms=configuration.n_arms):
        raise InvalidParameter(
            f"{configuration.policy.name} gives propensities {law!r}, expected "
            f"{configuration.n_arms} numbers >= 0 that sum to 1"
        )


def is_law(law: Array, *, n_arms: int) -> bool:
    """Whether these are the probabilities of that many arms."""
    good = law.shape == (n_arms,) and bool((law >= 0.0).all())
    return good and abs(float(law.sum()) - 1.0) <= 1e-9
