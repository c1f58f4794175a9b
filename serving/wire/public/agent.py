"""Messages of select and feedback: the ones that carry the traffic."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from qbrix.errors import InvalidRequest
from serving.wire.gen import common_pb2, proxy_pb2
from serving.wire.public.values import check_number, parse, read_struct

__all__ = ["Asked", "read_feedback", "read_select", "write_feedback", "write_select"]


class Asked(NamedTuple):
    """What a SelectRequest says."""

    experiment_id: str
    context_id: str
    properties: dict[str, Any] | None
    metadata: dict[str, str] | None
    vector: list[float] | None


def read_select(data: bytes) -> Asked:
    """Raises InvalidRequest without a context, and for a number that is none."""
    request = parse(proxy_pb2.SelectRequest, data)
    if not request.HasField("context"):
        raise InvalidRequest("context is missing; its id may be empty")
    context = request.context
    if "\x00" in context.id:
        raise InvalidRequest("context.id holds the character NUL; leave it out")
    has_properties = context.HasField("properties")
    return Asked(
        request.experiment_id,
        context.id,
        read_struct(context.properties) if has_properties else None,
        dict(context.metadata) if context.metadata else None,
        _vector(context),
    )


def write_select(
    *, arm_id: str, name: str, index: int, request_id: str | None, is_default: bool
) -> bytes:
    """SelectResponse; an arm that is chosen is active."""
    return proxy_pb2.SelectResponse(
        arm=common_pb2.Arm(id=arm_id, name=name, index=index, is_active=True),
        request_id=request_id,
        is_default=is_default,
    ).SerializeToString()


def read_feedback(data: bytes) -> tuple[str, float]:
    """Request id and reward; raises InvalidRequest for a number that is none."""
    request = parse(proxy_pb2.FeedbackRequest, data)
    return request.request_id, check_number(request.reward, name="reward")


def write_feedback(*, accepted: bool) -> bytes:
    """FeedbackResponse."""
    return proxy_pb2.FeedbackResponse(accepted=accepted).SerializeToString()


def _vector(context: common_pb2.Context) -> list[float] | None:
    """The exact vector when it is there, else the short one; an empty one is absent."""
    vector = list(context.vector64 or context.vector)
    if not vector:
        return None
    if not all(map(math.isfinite, vector)):
        raise InvalidRequest(
            "context.vector holds NaN or an infinity; expected finite numbers",
            code="INVALID_CONTEXT_VECTOR",
        )
    return vector
