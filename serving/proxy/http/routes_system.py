"""Routes about the server itself: health, readiness, metrics, policies."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

import qbrix
from qbrix.errors import QbrixError
from serving.proxy.documents.answers import PolicyList
from serving.proxy.experiments.catalogue import list_policies
from serving.proxy.http.described import ErrorBody, errors
from serving.proxy.http.strict import Caller, Gate, StrictRoute, allow
from serving.proxy.people.auth import Principal
from serving.proxy.vitals import ReadyAnswer, shown

__all__ = ["private", "public"]

public = APIRouter(tags=["system"])
private = APIRouter(prefix="/api/v1", tags=["system"], route_class=StrictRoute)

Operator = Annotated[Principal, allow("runtime:read")]
_SERVICES = {"redis": "redis", "motor": "motorsvc", "cortex": "cortexsvc"}


@public.get("/health")
@public.get("/api/health")
async def health() -> dict[str, str]:
    """Whether somebody is there."""
    return {"status": "healthy"}


@public.get("/info")
async def info() -> dict[str, str]:
    """Name and version."""
    return {
        "name": "qbrix",
        "description": "multi-armed bandits, from the notebook to production",
        "version": qbrix.__version__,
    }


@public.get("/livez")
async def livez() -> dict[str, str]:
    """Whether the process should live on."""
    return {"status": "alive"}


@public.get("/readyz", response_model=ReadyAnswer, responses=errors(503))
async def readyz(gateway: Gate) -> Response:
    """Whether traffic should come here; feedback may be refused all the same."""
    readiness = shown(gateway.readiness())
    if readiness.ready:
        return JSONResponse(readiness.body())
    refusal = ErrorBody(
        code="SERVICE_UNAVAILABLE",
        detail="this proxy starts or drains, or it has no state to serve and no store answers",
        context=dict(readiness.facts),
    )
    return JSONResponse(refusal.model_dump(), status_code=503, headers={"Retry-After": "1"})


@public.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(gateway: Gate) -> Response:
    """For Prometheus."""
    return Response(gateway.metrics.expose(public=True), media_type="text/plain; version=0.0.4")


@private.get("/policies")
async def policies(
    caller: Caller, reward_type: Literal["binary", "bounded", "continuous"] | None = None
) -> PolicyList:
    """Policies with their hyper-parameters."""
    # In a thread: the first asked loads every policy.
    return {"policies": await asyncio.to_thread(list_policies, reward_type)}


@private.get("/runtime/{service}/health")
async def runtime_health(
    service: Literal["redis", "motor", "cortex"], caller: Operator, gateway: Gate
) -> dict[str, str]:
    """Whether a part of the server answers."""
    try:
        await gateway.pulses[service]()
    except QbrixError:
        return {"service": _SERVICES[service], "status": "unhealthy"}
    return {"service": _SERVICES[service], "status": "healthy"}


@private.get("/runtime/redis/stream/size")
async def stream_size(caller: Operator, gateway: Gate) -> dict[str, int]:
    """How much feedback waits to be learned."""
    sizes = [await gateway.stores.intake.backlog(shard) for shard in range(gateway.shards)]
    return {"len": sum(sizes)}
