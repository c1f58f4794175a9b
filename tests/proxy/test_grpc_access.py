"""Tenants, roles and calls: the matrix of the REST operations again, over gRPC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from serving.wire.gen import common_pb2, proxy_pb2
from tests.proxy.access import ROLES
from tests.proxy.people import AUTH, Person, join, register
from tests.proxy.speaking import METHODS, Refused, Speaker, speaking

OPEN: dict[str, Any] = {"signup": "open", "sign_ins_per_address": 0, "sign_ins_per_email": 0}
NEEDS = {
    "CreatePool": "pool:write",
    "GetPool": "pool:read",
    "ListPools": "pool:read",
    "UpdatePool": "pool:write",
    "DeletePool": "pool:delete",
    "CreateExperiment": "experiment:write",
    "GetExperiment": "experiment:read",
    "ListExperiments": "experiment:read",
    "ListPoolExperiments": "pool:read",
    "UpdateExperiment": "experiment:write",
    "DeleteExperiment": "experiment:delete",
    "CreateGateConfig": "gate:write",
    "GetGateConfig": "gate:read",
    "UpdateGateConfig": "gate:write",
    "DeleteGateConfig": "gate:write",
    "Select": "agent:read",
    "Feedback": "agent:write",
    "ListPolicies": "public",
    "Health": "public",
}


def test_every_call_has_a_row_that_says_whom_it_is_for() -> None:
    assert set(NEEDS) == set(METHODS)


async def told(speaker: Speaker, method: str, message: Any = None) -> str:
    """The word of the answer: OK, or the wire's code."""
    try:
        await speaker.call(method, message)
    except Refused as refused:
        return refused.trailing["qbrix-code"]
    return "OK"


def as_person(speaker: Speaker, person: Person) -> Speaker:
    return speaker.having(authorization=person.headers["Authorization"])


async def with_key(speaker: Speaker, person: Person, **body: Any) -> Speaker:
    """The same speaker with a new key of somebody."""
    url = f"{AUTH}/api-keys"
    made = await speaker.world.bare.post(url, json=body, headers=person.headers)
    return speaker.having(x_api_key=made.json()["key"])


@pytest.mark.parametrize("role", sorted(ROLES))
async def test_every_role_may_do_what_its_scopes_say(role: str) -> None:
    async with speaking(**OPEN) as speaker:
        ada = await register(speaker.world)
        person = await join(speaker.world, f"{role}@acme.io", role=role, by=ada)
        for caller in (as_person(speaker, person), await with_key(speaker, person)):
            for method, needs in NEEDS.items():
                refused = await told(caller, method) == "INSUFFICIENT_SCOPES"
                assert refused == (needs != "public" and needs not in ROLES[role]), method


async def test_a_key_with_one_scope_opens_its_doors_and_no_other() -> None:
    async with speaking(**OPEN) as speaker:
        ada = await register(speaker.world)
        for scope in sorted(set(NEEDS.values()) - {"public"}):
            caller = await with_key(speaker, ada, scopes=[scope])
            for method, needs in NEEDS.items():
                refused = await told(caller, method) == "INSUFFICIENT_SCOPES"
                assert refused == (needs not in ("public", scope)), f"{method} with {scope}"


async def test_a_gate_within_an_update_needs_the_scope_of_gates() -> None:
    async with speaking(**OPEN) as speaker:
        ada = await register(speaker.world)
        made = await as_person(speaker, ada).experiment()
        caller = await with_key(speaker, ada, scopes=["experiment:write"])
        gate = proxy_pb2.FeatureGateConfig(enabled=True)
        asked = {"experiment_id": made.experiment.id}
        refused = await caller.refused("UpdateExperiment", feature_gate=gate, **asked)
        assert (refused.code, refused.trailing["qbrix-code"]) == (
            "PERMISSION_DENIED",
            "INSUFFICIENT_SCOPES",
        )
        await caller.call("UpdateExperiment", enabled=False, **asked)


def attacks(ids: Mapping[str, str]) -> list[tuple[str, Any]]:
    """Every call that takes an id, with ids of somebody else."""
    pool, experiment, arm = ids["pool"], ids["experiment"], ids["arm"]
    gate = proxy_pb2.FeatureGateConfig(enabled=True, default_arm_id=arm)
    context = common_pb2.Context(id="u")
    wire = proxy_pb2
    return [
        ("GetPool", wire.GetPoolRequest(pool_id=pool)),
        ("UpdatePool", wire.UpdatePoolRequest(pool_id=pool, name="stolen")),
        ("DeletePool", wire.DeletePoolRequest(pool_id=pool)),
        ("ListPoolExperiments", wire.ListPoolExperimentsRequest(pool_id=pool)),
        (
            "CreateExperiment",
            wire.CreateExperimentRequest(name="stolen", pool_id=pool, policy="BetaTSPolicy"),
        ),
        ("GetExperiment", wire.GetExperimentRequest(experiment_id=experiment)),
        (
            "UpdateExperiment",
            wire.UpdateExperimentRequest(experiment_id=experiment, enabled=False),
        ),
        (
            "UpdateExperiment",
            wire.UpdateExperimentRequest(experiment_id=experiment, feature_gate=gate),
        ),
        ("DeleteExperiment", wire.DeleteExperimentRequest(experiment_id=experiment)),
        (
            "CreateGateConfig",
            wire.CreateGateConfigRequest(experiment_id=experiment, config=gate),
        ),
        ("GetGateConfig", wire.GetGateConfigRequest(experiment_id=experiment)),
        (
            "UpdateGateConfig",
            wire.UpdateGateConfigRequest(experiment_id=experiment, config=gate),
        ),
        (
            "UpdateGateConfig",
            wire.UpdateGateConfigRequest(experiment_id=experiment, update_mask=["rules"]),
        ),
        ("DeleteGateConfig", wire.DeleteGateConfigRequest(experiment_id=experiment)),
        ("Select", wire.SelectRequest(experiment_id=experiment, context=context)),
    ]


async def test_what_is_anothers_does_not_exist() -> None:
    async with speaking(**OPEN) as speaker:
        ada, eve = [await register(speaker.world, f"{who}@{who}.io") for who in ("ada", "eve")]
        owner, thief = as_person(speaker, ada), as_person(speaker, eve)
        made = await owner.experiment()
        arm = made.pool.arms[1].id
        ids = {"pool": made.pool.id, "experiment": made.experiment.id, "arm": arm}
        chosen = await owner.select(made.experiment.id)
        before = await owner.call("ListExperiments")
        for method, message in attacks(ids):
            for caller in (thief, await with_key(speaker, eve)):
                assert (await told(caller, method, message)).endswith("_NOT_FOUND"), method
        stolen = await thief.refused("Feedback", request_id=chosen.request_id, reward=1)
        assert (stolen.code, stolen.trailing["qbrix-code"]) == (
            "INVALID_ARGUMENT",
            "FEEDBACK_FAILED",
        )
        assert not (await thief.call("ListExperiments")).items
        assert not (await thief.call("ListPools")).pools
        assert await owner.call("ListExperiments") == before


async def test_anothers_arm_is_no_arm_for_ones_own_gate() -> None:
    async with speaking(**OPEN) as speaker:
        ada, eve = [await register(speaker.world, f"{who}@{who}.io") for who in ("ada", "eve")]
        theirs = await as_person(speaker, ada).experiment()
        thief = as_person(speaker, eve)
        own = await thief.experiment()
        gate = proxy_pb2.FeatureGateConfig(enabled=True, default_arm_id=theirs.pool.arms[0].id)
        asked = {"experiment_id": own.experiment.id, "config": gate}
        assert (await thief.refused("CreateGateConfig", **asked)).code == "INVALID_ARGUMENT"


async def test_the_owner_gets_through_the_same_doors() -> None:
    """The attacks above would prove nothing if their messages were wrong in another way."""
    async with speaking(**OPEN) as speaker:
        owner = as_person(speaker, await register(speaker.world))
        made = await owner.experiment()
        arm = made.pool.arms[1].id
        ids = {"pool": made.pool.id, "experiment": made.experiment.id, "arm": arm}
        fine = {"OK", "GATE_ALREADY_EXISTS", "POOL_HAS_EXPERIMENTS"}
        rows = attacks(ids)
        last = [row for row in rows if row[0] == "DeleteExperiment"]
        for method, message in [row for row in rows if row not in last] + last:
            assert await told(owner, method, message) in fine, method
