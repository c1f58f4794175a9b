"""Routes of gates."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from serving.proxy.agent.encoding import wall_ms
from serving.proxy.documents import views
from serving.proxy.documents.answers import EvaluationAnswer, GateAnswer, Message
from serving.proxy.gates.bodies import EvaluateRequest, GatePatch, GateRequest
from serving.proxy.http.described import errors
from serving.proxy.http.strict import Gate, StrictRoute, allow
from serving.proxy.people.auth import Principal

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/gates", tags=["gates"], route_class=StrictRoute)

Reader = Annotated[Principal, allow("gate:read")]
Writer = Annotated[Principal, allow("gate:write")]


@router.post("/{experiment_id}", status_code=201, responses=errors(409))
async def create_gate(
    experiment_id: str, body: GateRequest, caller: Writer, gateway: Gate
) -> GateAnswer:
    """Put a gate before an experiment."""
    return views.gate(await gateway.gates.create(caller.tenant, experiment_id, body))


@router.get("/{experiment_id}")
async def get_gate(experiment_id: str, caller: Reader, gateway: Gate) -> GateAnswer:
    """Get the gate of an experiment."""
    return views.gate(await gateway.gates.get(caller.tenant, experiment_id))


@router.put("/{experiment_id}")
async def put_gate(
    experiment_id: str, body: GateRequest, caller: Writer, gateway: Gate
) -> GateAnswer:
    """Replace a gate; what is left out has its default."""
    return views.gate(await gateway.gates.replace(caller.tenant, experiment_id, body))


@router.patch("/{experiment_id}")
async def patch_gate(
    experiment_id: str, body: GatePatch, caller: Writer, gateway: Gate
) -> GateAnswer:
    """Change a gate; what is left out stays, null clears."""
    return views.gate(await gateway.gates.patch(caller.tenant, experiment_id, body))


@router.delete("/{experiment_id}")
async def delete_gate(experiment_id: str, caller: Writer, gateway: Gate) -> Message:
    """Take the gate away; everybody goes to the bandit."""
    await gateway.gates.delete(caller.tenant, experiment_id)
    return {"message": f"the gate of experiment {experiment_id} was deleted"}


@router.post("/{experiment_id}/evaluate")
async def evaluate_gate(
    experiment_id: str, body: EvaluateRequest, caller: Reader, gateway: Gate
) -> EvaluationAnswer:
    """Say where a context would go, and why; nothing is decided or logged."""
    view = await gateway.gates.get(caller.tenant, experiment_id)
    return views.evaluation(view, body.context_id, body.context_metadata, now_ms=wall_ms())
