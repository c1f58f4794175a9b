"""Messages about pools."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from serving.wire.gen import common_pb2, proxy_pb2
from serving.wire.public.values import parse

__all__ = [
    "pool",
    "read_create_pool",
    "read_list_pools",
    "read_pool_id",
    "read_update_pool",
    "write_deleted_pool",
    "write_pool",
    "write_pools",
]


def read_create_pool(data: bytes) -> dict[str, Any]:
    """The body; of an arm what its maker may say."""
    request = parse(proxy_pb2.CreatePoolRequest, data)
    arms = [{"name": arm.name, "metadata": dict(arm.metadata)} for arm in request.arms]
    return {"name": request.name, "arms": arms}


def read_pool_id(data: bytes) -> str:
    """Of a request that says nothing else: get, delete, list experiments."""
    return parse(proxy_pb2.GetPoolRequest, data).pool_id


def read_list_pools(data: bytes) -> tuple[int, int]:
    """Limit and offset."""
    request = parse(proxy_pb2.ListPoolsRequest, data)
    return request.limit, request.offset


def read_update_pool(data: bytes) -> tuple[str, dict[str, Any]]:
    """Pool id and body."""
    request = parse(proxy_pb2.UpdatePoolRequest, data)
    return request.pool_id, {"name": request.name} if request.HasField("name") else {}


def write_pool(view: Mapping[str, Any]) -> bytes:
    """The answer of create, get and update: one form for the three."""
    return proxy_pb2.GetPoolResponse(pool=pool(view)).SerializeToString()


def write_pools(views: Sequence[Mapping[str, Any]], *, limit: int, offset: int) -> bytes:
    """ListPoolsResponse."""
    return proxy_pb2.ListPoolsResponse(
        pools=[pool(view) for view in views], limit=limit, offset=offset
    ).SerializeToString()


def write_deleted_pool() -> bytes:
    """DeletePoolResponse."""
    return proxy_pb2.DeletePoolResponse(deleted=True).SerializeToString()


def pool(view: Mapping[str, Any]) -> common_pb2.Pool:
    """A pool as REST shows it."""
    return common_pb2.Pool(
        id=view["id"],
        name=view["name"],
        arms=[_arm(arm) for arm in view["arms"]],
        created_at=view["created_at"],
        updated_at=view["updated_at"],
    )


def _arm(view: Mapping[str, Any]) -> common_pb2.Arm:
    return common_pb2.Arm(
        id=view["id"],
        name=view["name"],
        index=view["index"],
        is_active=view["is_active"],
        metadata={
            key: item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
            for key, item in view["metadata"].items()
        },
    )
