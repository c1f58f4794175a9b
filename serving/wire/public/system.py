"""Messages about the server itself: policies and health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.wire.gen import proxy_pb2
from serving.wire.public.values import parse, value

__all__ = ["read_list_policies", "write_policies"]


def read_list_policies(data: bytes) -> str | None:
    """The reward type; none for all."""
    return parse(proxy_pb2.ListPoliciesRequest, data).reward_type or None


def write_policies(views: Sequence[Mapping[str, Any]]) -> bytes:
    """ListPoliciesResponse."""
    return proxy_pb2.ListPoliciesResponse(
        policies=[
            proxy_pb2.Policy(
                name=view["name"],
                category=view["category"],
                reward_types=view["reward_types"],
                description=view["description"],
                user_params=[_parameter(item) for item in view["user_params"]],
            )
            for view in views
        ]
    ).SerializeToString()


def _parameter(view: Mapping[str, Any]) -> proxy_pb2.PolicyParam:
    return proxy_pb2.PolicyParam(
        name=view["name"],
        type=view["type"],
        required=view["required"],
        default=None if view["required"] else value(view["default"]),
        description=view["description"],
        constraints=view["constraints"],
    )
