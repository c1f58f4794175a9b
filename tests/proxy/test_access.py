"""Tenants, roles and operations: everybody against everything, and nobody into another's house."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from serving.proxy.people.auth import Credential
from tests.proxy.access import (
    KINDS,
    OPERATIONS,
    ROLES,
    Grpc,
    Operation,
    Rest,
    Transport,
    Verdict,
    filled,
)
from tests.proxy.people import AUTH, Person, join, register
from tests.proxy.speaking import speaking
from tests.proxy.world import World, learning, open_world

WIDE: dict[str, Any] = {"signup": "open", "sign_ins_per_address": 0, "sign_ins_per_email": 0}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Where anybody may register."""
    async with open_world(**WIDE) as opened:
        yield opened


@pytest.fixture(params=["rest", "grpc"])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Transport]:
    """Every way to call an operation, each in a world of its own."""
    if request.param == "rest":
        async with open_world(**WIDE) as opened:
            yield Rest(opened)
    else:
        async with speaking(**WIDE) as speaker:
            yield Grpc(speaker)


async def existing(transport: Transport) -> list[Operation]:
    """The rows of what there is."""
    return [OPERATIONS[name] for name in sorted(await transport.operations())]


async def key_of(world: World, person: Person, **body: Any) -> dict[str, str]:
    """A new key of somebody."""
    made = await world.bare.post(f"{AUTH}/api-keys", json=body, headers=person.headers)
    return {"X-API-Key": made.json()["key"]}


def expected(operation: Operation, scopes: set[str]) -> Verdict | None:
    """What a credential with these scopes is told; None: whatever comes behind the door."""
    needs = operation.needs
    if needs in ("public", "any"):
        return None
    if needs.removeprefix("admin:") in scopes:
        return None
    return "admin" if needs.startswith("admin:") else "scope"


async def test_every_operation_has_a_row_that_says_whom_it_is_for(transport: Transport) -> None:
    assert await transport.operations() - set(OPERATIONS) == set()


async def test_nobody_gets_in_without_a_credential(transport: Transport) -> None:
    wrong = [{}, {"X-API-Key": "optiq_" + "x" * 43}, {"Authorization": "Bearer x.y.z"}]
    for operation in await existing(transport):
        for credential in wrong:
            told = await transport.call(operation, credential=credential, ids=None)
            if operation.needs == "public":
                assert told not in ("scope", "admin"), operation.name
            else:
                assert told == "unknown", operation.name


@pytest.mark.parametrize("role", sorted(ROLES))
async def test_every_role_may_do_what_its_scopes_say(transport: Transport, role: str) -> None:
    world = transport.world
    ada = await register(world)
    person = await join(world, f"{role}@acme.io", role=role, by=ada)
    for operation in await existing(transport):
        wanted = expected(operation, ROLES[role])
        for credential in (person.headers, await key_of(world, person)):
            told = await transport.call(operation, credential=credential, ids=None)
            if operation.needs == "public":
                continue
            if wanted is None:
                assert told not in ("unknown", "scope", "admin"), operation.name
            else:
                assert told == wanted, operation.name


async def test_a_key_with_one_scope_opens_one_door(transport: Transport) -> None:
    world = transport.world
    ada = await register(world)
    doors: dict[str, Operation] = {}  # one for each need
    for operation in await existing(transport):
        if operation.needs not in ("public", "any"):
            doors.setdefault(operation.needs, operation)
    for scope in sorted({needs.removeprefix("admin:") for needs in doors}):
        credential = await key_of(world, ada, scopes=[scope])
        for operation in doors.values():
            told = await transport.call(operation, credential=credential, ids=None)
            assert (told in ("scope", "admin")) == (expected(operation, {scope}) is not None), (
                f"{operation.name} with {scope}"
            )


async def belongings(
    world: World, owner: Person, *, guest: str = "guest@acme.io", member: str = "bob@acme.io"
) -> dict[str, str]:
    """One thing of each kind, all of them the owner's."""
    http, headers = world.bare, owner.headers
    arms = [{"name": "a"}, {"name": "b"}]
    pool = (
        await http.post("/api/v1/pools", json={"name": "p", "arms": arms}, headers=headers)
    ).json()
    asked = {"name": "e", "pool_id": pool["id"], "policy": "BetaTSPolicy"}
    made = (await http.post("/api/v1/experiments", json=asked, headers=headers)).json()
    invite = {"email": guest}
    invited = (await http.post(f"{AUTH}/workspace/invites", json=invite, headers=headers)).json()
    key = (await http.post(f"{AUTH}/api-keys", json={}, headers=headers)).json()
    joined = await join(world, member, by=owner)
    data = b"a bundle"
    sha256 = hashlib.sha256(data).hexdigest()
    await world.stores.catalog.put_bundle(tenant_of(world, owner), sha256, data)
    decision = uuid4().hex
    body = {"experiment_id": made["id"], "context": {"id": "u"}, "decision_id": decision}
    chosen = await http.post("/api/v1/agent/select", json=body, headers=headers)
    reward = {"request_id": chosen.json()["request_id"], "reward": 1.0}
    assert (await http.post("/api/v1/agent/feedback", json=reward, headers=headers)).is_success
    gate = await http.post(f"/api/v1/gates/{made['id']}", json={}, headers=headers)
    assert gate.status_code == 201, gate.text
    async with learning(world) as cortex:
        await world.gateway.decisions.flush()
        await cortex.drain()
    return {
        "pool_id": pool["id"],
        "experiment_id": made["id"],
        "decision_id": decision,
        "sha256": sha256,
        "key_id": key["id"],
        "invite_id": invited["id"],
        "user_id": joined.id,
        "request_id": reward["request_id"],
        "arm_id": pool["arms"][1]["id"],
    }


def tenant_of(world: World, owner: Person) -> str:
    """Of a signed-in person."""
    principal = world.gateway.auth.known(Credential(access_token=owner.access_token))
    assert principal is not None
    return principal.tenant


async def seen(world: World, owner: Person, ids: dict[str, str]) -> list[Any]:
    """What the owner sees of all that."""
    paths = [
        f"/api/v1/pools/{ids['pool_id']}",
        f"/api/v1/experiments/{ids['experiment_id']}",
        *(f"{AUTH}/{path}" for path in ("api-keys", "workspace/invites", "users", "workspace")),
    ]
    answers = [await world.bare.get(path, headers=owner.headers) for path in paths]
    return [answer.json() for answer in answers]


async def test_what_is_anothers_does_not_exist(transport: Transport) -> None:
    """An admin of another tenant tries every operation on every id: not found, never forbidden."""
    world = transport.world
    ada = await register(world)
    ids = await belongings(world, ada)
    before = await seen(world, ada, ids)
    eve = await register(world, "eve@evil.io")
    tried = set()
    for operation in await existing(transport):
        if not operation.takes_ids:
            continue
        for credential in (eve.headers, await key_of(world, eve)):
            told = await transport.call(operation, credential=credential, ids=ids)
            assert told == "missing", operation.name
        tried |= {kind for kind in KINDS if kind in f"{operation.name} {operation.sends}"}
    assert tried == transport.kinds
    assert await seen(world, ada, ids) == before


async def test_the_owner_gets_through_the_same_doors(transport: Transport) -> None:
    """The attack above would prove nothing if its requests were wrong in another way."""
    world = transport.world
    ada = await register(world)
    ids = await belongings(world, ada)
    for operation in await existing(transport):
        if operation.takes_ids and operation.name.startswith(("GET ", "Get")):
            told = await transport.call(operation, credential=ada.headers, ids=ids)
            assert told == "done", operation.name


async def test_a_token_of_another_tenant_is_worth_nothing(world: World) -> None:
    ada = await register(world)
    ids = await belongings(world, ada)
    eve = await register(world, "eve@evil.io")
    body = {"request_id": ids["request_id"], "reward": 1.0}
    refused = await world.bare.post("/api/v1/agent/feedback", json=body, headers=eve.headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "FEEDBACK_FAILED")
    batch = await world.bare.post(
        "/api/v1/agent/feedback/batch", json={"items": [body]}, headers=eve.headers
    )
    assert batch.json()["results"][0]["accepted"] is False


async def test_a_foreign_id_in_a_field_is_told_what_one_that_does_not_exist_is(
    world: World,
) -> None:
    ada = await register(world)
    ids = await belongings(world, ada)
    eve = await register(world, "eve@evil.io")
    own = await belongings(world, eve, guest="guest@evil.io", member="mallory@evil.io")
    nothing = "f" * 32
    pool, gate = f"/api/v1/pools/{own['pool_id']}", f"/api/v1/gates/{own['experiment_id']}"
    rule = {"key": "k", "operator": "eq", "value": "v"}
    fields: list[tuple[str, str, dict[str, Any]]] = [
        (
            "POST",
            "/api/v1/experiments",
            {"name": "x", "pool_id": "{pool_id}", "policy": "RandomPolicy"},
        ),
        ("PATCH", pool, {"arms": [{"id": "{arm_id}", "name": "stolen"}]}),
        ("PUT", gate, {"default_arm_id": "{arm_id}"}),
        ("PATCH", gate, {"rules": [{**rule, "arm_id": "{arm_id}"}]}),
    ]
    for method, url, body in fields:
        told = []
        for attempt in (ids, dict.fromkeys(ids, nothing)):
            answer = await world.bare.request(
                method, url, json=filled(body, attempt), headers=eve.headers
            )
            assert answer.status_code in (404, 422), answer.text
            told.append(answer.text.replace(attempt["arm_id"], "").replace(attempt["pool_id"], ""))
        assert told[0] == told[1], url


async def test_lists_show_ones_own_only(world: World) -> None:
    ada = await register(world)
    await belongings(world, ada)
    eve = await register(world, "eve@evil.io")
    for path, key in (
        ("/api/v1/pools", "pools"),
        ("/api/v1/experiments", "experiments"),
        (f"{AUTH}/workspace/invites", "invites"),
    ):
        answer = await world.bare.get(path, headers=eve.headers)
        assert answer.json()[key] == [], path
    assert (await world.bare.get(f"{AUTH}/api-keys", headers=eve.headers)).json() == []
    for path in ("users", "workspace/members"):
        users = (await world.bare.get(f"{AUTH}/{path}", headers=eve.headers)).json()["users"]
        assert [user["id"] for user in users] == [eve.id]
    entries = (await world.bare.get("/api/v1/audit", headers=eve.headers)).json()["entries"]
    assert {entry["user_id"] for entry in entries} == {eve.id}


async def test_the_document_tells_every_error_and_which_operations_want_a_credential(
    world: World,
) -> None:
    document = (await world.bare.get("/openapi.json")).json()
    assert set(document["components"]["securitySchemes"]) == {"ApiKey", "Bearer"}
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            operation = OPERATIONS[f"{method.upper()} {path}"]
            name, responses = operation.name, told["responses"]
            assert ("security" in told) == (operation.needs != "public"), name
            if not path.startswith("/api/") or operation.name == "GET /api/health":
                continue
            wanted = {"503"}
            if operation.needs != "public":
                wanted |= {"401", "403"}
            if "requestBody" in told:
                wanted |= {"400", "413", "422"}
            if "_id}" in path:
                wanted |= {"404"}
            assert wanted <= set(responses), name
            for status, response in responses.items():
                if int(status) >= 400:
                    schema = response["content"]["application/json"]["schema"]
                    assert schema["$ref"].endswith("/ErrorBody"), f"{name} {status}"
