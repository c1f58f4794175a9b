"""Calls about gates."""

from __future__ import annotations

from serving.proxy.documents import views
from serving.proxy.gates.bodies import GatePatch, GateRequest
from serving.proxy.gateway import Gateway
from serving.proxy.grpc.bodies import validated
from serving.proxy.people.auth import Principal
from serving.wire.public import gates as wire

__all__ = ["create_gate", "delete_gate", "get_gate", "update_gate"]


async def create_gate(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """Put a gate before an experiment."""
    experiment, given = wire.read_create_gate(data)
    body = validated(GateRequest, given)
    made = await gateway.gates.create(caller.tenant, experiment, body)
    return wire.write_gate(views.gate(made))


async def get_gate(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """Get the gate of an experiment."""
    found = await gateway.gates.get(caller.tenant, wire.read_gate_id(data))
    return wire.write_gate(views.gate(found))


async def update_gate(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """Replace a gate, or change what the update mask names."""
    experiment, given, partial = wire.read_update_gate(data)
    if partial:
        patch = validated(GatePatch, given)
        changed = await gateway.gates.patch(caller.tenant, experiment, patch)
    else:
        whole = validated(GateRequest, given)
        changed = await gateway.gates.replace(caller.tenant, experiment, whole)
    return wire.write_gate(views.gate(changed))


async def delete_gate(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """Take the gate away; everybody goes to the bandit."""
    await gateway.gates.delete(caller.tenant, wire.read_gate_id(data))
    return wire.write_deleted_gate()
