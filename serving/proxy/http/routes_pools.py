"""Routes of pools."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from serving.proxy.documents import views
from serving.proxy.documents.answers import ExperimentAnswer, Message, PoolAnswer, PoolPage
from serving.proxy.documents.bodies import PoolCreate, PoolPatch
from serving.proxy.http.described import errors
from serving.proxy.http.strict import Gate, StrictRoute, allow
from serving.proxy.people.auth import Principal

__all__ = ["Limit", "Offset", "router"]

router = APIRouter(prefix="/api/v1/pools", tags=["pools"], route_class=StrictRoute)

Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0, le=2**31)]
Reader = Annotated[Principal, allow("pool:read")]
Writer = Annotated[Principal, allow("pool:write")]
Deleter = Annotated[Principal, allow("pool:delete")]


@router.post("", status_code=201, responses=errors(409))
async def create_pool(body: PoolCreate, caller: Writer, gateway: Gate) -> PoolAnswer:
    """Make a pool of arms."""
    arms = [(arm.name, arm.metadata) for arm in body.arms]
    return views.pool(await gateway.pools.create(caller.tenant, name=body.name, arms=arms))


@router.get("")
async def list_pools(
    caller: Reader, gateway: Gate, limit: Limit = 100, offset: Offset = 0
) -> PoolPage:
    """List pools, newest first."""
    found = await gateway.pools.list(caller.tenant, limit=limit, offset=offset)
    return {"pools": [views.pool(record) for record in found], "limit": limit, "offset": offset}


@router.get("/{pool_id}")
async def get_pool(pool_id: str, caller: Reader, gateway: Gate) -> PoolAnswer:
    """Get a pool."""
    return views.pool(await gateway.pools.get(caller.tenant, pool_id))


@router.patch("/{pool_id}", responses=errors(409))
async def patch_pool(pool_id: str, body: PoolPatch, caller: Writer, gateway: Gate) -> PoolAnswer:
    """Rename a pool; add, rename, retire or revive arms."""
    changed = await gateway.arms.change(
        caller.tenant, pool_id, name=body.name, arms=body.arms or ()
    )
    return views.pool(changed)


@router.delete("/{pool_id}", responses=errors(409))
async def delete_pool(pool_id: str, caller: Deleter, gateway: Gate) -> Message:
    """Delete a pool without experiments."""
    await gateway.pools.delete(caller.tenant, pool_id)
    return {"message": f"pool {pool_id} was deleted"}


@router.get("/{pool_id}/experiments")
async def list_pool_experiments(
    pool_id: str, caller: Reader, gateway: Gate
) -> list[ExperimentAnswer]:
    """List the experiments of a pool."""
    found = await gateway.experiments.on_pool(caller.tenant, pool_id)
    return [views.experiment(view) for view in found]
