"""Calls about pools."""

from __future__ import annotations

from serving.proxy.documents import views
from serving.proxy.documents.bodies import PoolCreate, PoolPatch
from serving.proxy.gateway import Gateway
from serving.proxy.grpc.bodies import Page, validated
from serving.proxy.people.auth import Principal
from serving.wire.public import pools as wire

__all__ = ["create_pool", "delete_pool", "get_pool", "list_pools", "update_pool"]


async def create_pool(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """Make a pool of arms."""
    body = validated(PoolCreate, wire.read_create_pool(data))
    arms = [(arm.name, arm.metadata) for arm in body.arms]
    made = await gateway.pools.create(caller.tenant, name=body.name, arms=arms)
    return wire.write_pool(views.pool(made))


async def get_pool(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """Get a pool."""
    found = await gateway.pools.get(caller.tenant, wire.read_pool_id(data))
    return wire.write_pool(views.pool(found))


async def list_pools(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """List pools, newest first."""
    page = Page.of(*wire.read_list_pools(data))
    found = await gateway.pools.list(caller.tenant, limit=page.limit, offset=page.offset)
    shown = [views.pool(record) for record in found]
    return wire.write_pools(shown, limit=page.limit, offset=page.offset)


async def update_pool(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """Rename a pool."""
    pool_id, given = wire.read_update_pool(data)
    body = validated(PoolPatch, given)
    changed = await gateway.arms.change(caller.tenant, pool_id, name=body.name, arms=())
    return wire.write_pool(views.pool(changed))


async def delete_pool(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """Delete a pool without experiments."""
    await gateway.pools.delete(caller.tenant, wire.read_pool_id(data))
    return wire.write_deleted_pool()
