"""Select and feedback: the calls that carry the traffic, checked without a framework."""

from __future__ import annotations

import msgspec

from serving.proxy.agent.messages import FeedbackRequest, SelectContext, SelectRequest
from serving.proxy.gateway import Gateway
from serving.proxy.people.auth import Principal
from serving.wire.public.agent import read_feedback, read_select, write_feedback, write_select

__all__ = ["feedback", "select"]


class _Arm(msgspec.Struct):
    id: str
    name: str
    index: int


_arm = msgspec.json.Decoder(_Arm)


async def select(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """One decision."""
    asked = read_select(data)
    context = SelectContext(asked.context_id, asked.properties, asked.metadata, asked.vector)
    chosen = await gateway.agent.select(caller, SelectRequest(asked.experiment_id, context))
    arm = _arm.decode(chosen.arm)
    return write_select(
        arm_id=arm.id,
        name=arm.name,
        index=arm.index,
        request_id=chosen.request_id,
        is_default=chosen.is_default,
    )


async def feedback(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """One reward, on disk when this returns."""
    request_id, reward = read_feedback(data)
    result = await gateway.rewards.feedback(caller, FeedbackRequest(request_id, reward))
    return write_feedback(accepted=result.accepted)
