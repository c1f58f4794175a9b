"""Calls about experiments."""

from __future__ import annotations

from serving.proxy.documents import views
from serving.proxy.documents.bodies import ExperimentCreate, ExperimentPatch
from serving.proxy.experiments.wanted import changed_experiment, new_experiment
from serving.proxy.gates.bodies import GateRequest
from serving.proxy.gateway import Gateway
from serving.proxy.grpc.bodies import Page, validated
from serving.proxy.people.auth import Principal
from serving.wire.public import experiments as wire
from serving.wire.public.pools import read_pool_id

__all__ = [
    "create_experiment",
    "delete_experiment",
    "get_experiment",
    "list_experiments",
    "list_pool_experiments",
    "update_experiment",
]


async def create_experiment(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """Make an experiment; it answers selects at once."""
    body = validated(ExperimentCreate, wire.read_create_experiment(data))
    made = await gateway.experiments.create(caller.tenant, new_experiment(body))
    return wire.write_experiment(views.experiment(made))


async def get_experiment(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """Get an experiment."""
    found = await gateway.experiments.get(caller.tenant, wire.read_experiment_id(data))
    return wire.write_experiment(views.experiment(found))


async def list_experiments(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """List experiments, newest first."""
    limit, offset, search, enabled = wire.read_list_experiments(data)
    page = Page.of(limit, offset, search)
    found = await gateway.experiments.list(
        caller.tenant, limit=page.limit, offset=page.offset, search=page.search, enabled=enabled
    )
    shown = [views.experiment(view) for view in found]
    return wire.write_experiments(shown, limit=page.limit, offset=page.offset)


async def list_pool_experiments(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """List the experiments of a pool."""
    found = await gateway.experiments.on_pool(caller.tenant, read_pool_id(data))
    return wire.write_pool_experiments([views.experiment(view) for view in found])


async def update_experiment(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """Pause, change hyper-parameters, put a gate before it; nothing when a part is refused."""
    experiment, given, gate = wire.read_update_experiment(data)
    body = validated(ExperimentPatch, given)
    tenant = caller.tenant
    if gate is None:
        changed = await gateway.experiments.change(tenant, experiment, changed_experiment(body))
        return wire.write_experiment(views.experiment(changed))
    caller.require("gate:write")
    asked = validated(GateRequest, gate)
    await gateway.gates.check(tenant, experiment, asked)
    if given:
        await gateway.experiments.change(tenant, experiment, changed_experiment(body))
    changed = await gateway.gates.put(tenant, experiment, asked)
    return wire.write_experiment(views.experiment(changed))


async def delete_experiment(gateway: Gateway, caller: Principal, data: bytes) -> bytes:
    """Delete an experiment; its ledger stays."""
    await gateway.experiments.delete(caller.tenant, wire.read_experiment_id(data))
    return wire.write_deleted_experiment()
