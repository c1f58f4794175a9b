"""Routes that give back what production did: state, ledger, decisions, bundles."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from qbrix.errors import NotFound
from serving.proxy.documents import views
from serving.proxy.documents.dead_letters import dead_letter
from serving.proxy.documents.downloads import (
    DeadLetterPage,
    DecisionPage,
    FoundDecision,
    LedgerPage,
    StateAnswer,
)
from serving.proxy.experiments.records import is_digest
from serving.proxy.http.described import BUNDLE
from serving.proxy.http.strict import Gate, StrictRoute, allow
from serving.proxy.people.auth import Principal

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["downloads"], route_class=StrictRoute)

Reader = Annotated[Principal, allow("experiment:read")]


@router.get("/experiments/{experiment_id}/state")
async def get_state(experiment_id: str, caller: Reader, gateway: Gate) -> StateAnswer:
    """What decides now."""
    await gateway.experiments.get(caller.tenant, experiment_id)
    record = await gateway.stores.ledger.snapshot(experiment_id)
    if record is None:
        raise NotFound("experiment", experiment_id)
    return views.state(record)


@router.get("/experiments/{experiment_id}/ledger")
async def get_ledger(
    experiment_id: str,
    caller: Reader,
    gateway: Gate,
    after: Annotated[int, Query(ge=-1, le=2**62)] = -1,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    changes_only: bool = False,
) -> LedgerPage:
    """Batches behind a version, in order: all, or only the changes of what decides."""
    await gateway.experiments.get(caller.tenant, experiment_id)
    found = await gateway.stores.ledger.batches(
        experiment_id, after=after, limit=limit, changes_only=changes_only
    )
    return {
        "experiment_id": experiment_id,
        "batches": [views.batch(committed) for committed in found],
        "next": found[-1].batch.version if len(found) == limit else None,
    }


@router.get("/experiments/{experiment_id}/decisions")
async def get_decisions(
    experiment_id: str,
    caller: Reader,
    gateway: Gate,
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> DecisionPage:
    """Archived decisions behind a cursor."""
    await gateway.experiments.get(caller.tenant, experiment_id)
    found, cursor = await gateway.stores.ledger.decisions(experiment_id, after=after, limit=limit)
    return {
        "experiment_id": experiment_id,
        "decisions": [views.decision(event) for event in found],
        "next": cursor,
    }


@router.get("/experiments/{experiment_id}/dead-letters")
async def get_dead_letters(
    experiment_id: str,
    caller: Reader,
    gateway: Gate,
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> DeadLetterPage:
    """What could not be learned and why, newest first, from the one before a letter on."""
    await gateway.experiments.get(caller.tenant, experiment_id)
    archive = gateway.stores.archive
    found = await archive.dead_letters(experiment_id, limit=limit, before=before)
    return {
        "experiment_id": experiment_id,
        "dead_letters": [dead_letter(letter) for letter in found],
        "next": found[-1].id if len(found) == limit else None,
    }


@router.get("/decisions/{decision_id}")
async def get_decision(decision_id: str, caller: Reader, gateway: Gate) -> FoundDecision:
    """One archived decision."""
    event = await gateway.stores.ledger.find_decision(caller.tenant, decision_id)
    return {"experiment_id": event.experiment, **views.decision(event)}


@router.get("/bundles/{sha256}", response_class=Response, responses={200: {"content": BUNDLE}})
async def get_bundle(sha256: str, caller: Reader, gateway: Gate) -> Response:
    """A promoted bundle, byte for byte."""
    if not is_digest(sha256):
        raise NotFound("bundle", sha256)
    data = await gateway.stores.catalog.get_bundle(caller.tenant, sha256)
    return Response(data, media_type="application/zip")
