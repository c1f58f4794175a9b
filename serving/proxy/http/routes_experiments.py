"""Routes of experiments."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from serving.proxy.documents import views
from serving.proxy.documents.answers import (
    ExperimentAnswer,
    ExperimentPage,
    Message,
    Promoted,
    RolledBack,
)
from serving.proxy.documents.bodies import ExperimentCreate, ExperimentPatch, Rollback
from serving.proxy.experiments.wanted import changed_experiment, new_experiment
from serving.proxy.http.described import BUNDLE, errors
from serving.proxy.http.hot import read_body
from serving.proxy.http.routes_pools import Limit, Offset
from serving.proxy.http.strict import Gate, StrictRoute, allow
from serving.proxy.people.auth import Principal

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/experiments", tags=["experiments"], route_class=StrictRoute)

Reader = Annotated[Principal, allow("experiment:read")]
Writer = Annotated[Principal, allow("experiment:write")]
Deleter = Annotated[Principal, allow("experiment:delete")]
Search = Annotated[str | None, Query(pattern=r"^[^\x00]*$", max_length=200)]
_TAKES_BUNDLE = {"requestBody": {"required": True, "content": BUNDLE}}


@router.post("", status_code=201, responses=errors(404, 409))
async def create_experiment(
    body: ExperimentCreate, caller: Writer, gateway: Gate
) -> ExperimentAnswer:
    """Make an experiment; it answers selects at once."""
    return views.experiment(await gateway.experiments.create(caller.tenant, new_experiment(body)))


@router.get("")
async def list_experiments(
    caller: Reader,
    gateway: Gate,
    limit: Limit = 100,
    offset: Offset = 0,
    search: Search = None,
    enabled: bool | None = None,
) -> ExperimentPage:
    """List experiments, newest first."""
    found = await gateway.experiments.list(
        caller.tenant, limit=limit, offset=offset, search=search, enabled=enabled
    )
    shown = [views.experiment(view) for view in found]
    return {"experiments": shown, "limit": limit, "offset": offset}


@router.get("/{experiment_id}")
async def get_experiment(experiment_id: str, caller: Reader, gateway: Gate) -> ExperimentAnswer:
    """Get an experiment."""
    return views.experiment(await gateway.experiments.get(caller.tenant, experiment_id))


@router.patch("/{experiment_id}", responses=errors(409))
async def patch_experiment(
    experiment_id: str, body: ExperimentPatch, caller: Writer, gateway: Gate
) -> ExperimentAnswer:
    """Pause, rename, change hyper-parameters; what was learned stays."""
    change = changed_experiment(body)
    return views.experiment(await gateway.experiments.change(caller.tenant, experiment_id, change))


@router.post("/{experiment_id}/reset", responses=errors(409))
async def reset_experiment(experiment_id: str, caller: Writer, gateway: Gate) -> ExperimentAnswer:
    """Learn anew in a new epoch; the log is kept."""
    return views.experiment(await gateway.experiments.reset(caller.tenant, experiment_id))


@router.delete("/{experiment_id}")
async def delete_experiment(experiment_id: str, caller: Deleter, gateway: Gate) -> Message:
    """Delete an experiment; its ledger stays."""
    await gateway.experiments.delete(caller.tenant, experiment_id)
    return {"message": f"experiment {experiment_id} was deleted"}


@router.post("/{experiment_id}/promote", responses=errors(409), openapi_extra=_TAKES_BUNDLE)
async def promote(experiment_id: str, request: Request, caller: Writer, gateway: Gate) -> Promoted:
    """Let a signed bundle decide, after its golden trace was replayed."""
    limit_bytes = gateway.settings.bundle_limit_bytes
    data = await read_body(request.receive, limit_bytes=limit_bytes)
    return await gateway.promotion.promote(caller.tenant, experiment_id, data)


@router.post("/{experiment_id}/rollback", responses=errors(409))
async def rollback(experiment_id: str, body: Rollback, caller: Writer, gateway: Gate) -> RolledBack:
    """Let the policy decide again that decided after a control change, as if it were promoted."""
    return await gateway.promotion.roll_back(caller.tenant, experiment_id, version=body.version)
