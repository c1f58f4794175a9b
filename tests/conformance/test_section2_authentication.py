"""Section 2 of the public API: credentials, roles and limits, on both transports."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any
from uuid import uuid4

import grpc
import httpx
import jwt
import pytest

from serving.stack import Stack
from serving.wire.gen import common_pb2, proxy_pb2
from tests.conformance.clients import Client, refused
from tests.conformance.making import new_experiment
from tests.conformance.people import AUTH, Headers, bearer, join, new_key, register
from tests.conformance.rest import Rest
from tests.conformance.rpc import Rpc
from tests.waiting import PATIENCE_S, until

POOLS = "/api/v1/pools"


@pytest.fixture
def channel(stack: Stack) -> Iterator[grpc.Channel]:
    """To the public service."""
    with grpc.insecure_channel(stack.grpc_address) as opened:
        yield opened


@pytest.fixture
def connections(stack: Stack) -> Iterator[list[httpx.Client]]:
    """Each stays with one of the two proxies, some with either."""
    with ExitStack() as opened:
        made = [httpx.Client(base_url=stack.url, timeout=PATIENCE_S) for _ in range(8)]
        yield [opened.enter_context(client) for client in made]


def spoken(channel: grpc.Channel, method: str, message: Any, headers: Headers) -> str:
    """The name of the status of a call with these headers as metadata."""
    call: grpc.UnaryUnaryMultiCallable[Any, bytes] = channel.unary_unary(
        f"/qbrix.proxy.ProxyService/{method}", request_serializer=type(message).SerializeToString
    )
    metadata = tuple((name.lower(), value) for name, value in headers.items())
    try:
        call(message, metadata=metadata, timeout=20)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def test_the_key_header_comes_first_on_both_transports(
    http: httpx.Client, channel: grpc.Channel
) -> None:
    session = bearer(register(http))
    key = new_key(http, session)["key"]
    credentials: list[tuple[Headers, bool]] = [
        (session, True),
        ({"X-API-Key": key}, True),
        ({"Authorization": f"Bearer {key}"}, True),
        ({"X-API-Key": "optiq_" + "x" * 43, **session}, False),
        ({"X-API-Key": session["Authorization"].removeprefix("Bearer ")}, False),
        ({"Authorization": "Bearer x.y.z"}, False),
        ({}, False),
    ]
    for headers, valid in credentials:
        assert http.get(POOLS, headers=headers).status_code == (200 if valid else 401)
        status = spoken(channel, "ListPools", proxy_pb2.ListPoolsRequest(), headers)
        assert status == ("OK" if valid else "UNAUTHENTICATED")


@pytest.mark.parametrize(("role", "writes"), [("viewer", False), ("member", True), ("admin", True)])
def test_a_role_says_what_may_be_done_on_both_transports(
    http: httpx.Client, channel: grpc.Channel, role: str, writes: bool
) -> None:
    founder = bearer(register(http))
    headers = bearer(join(http, founder, role))
    for credential in (headers, {"X-API-Key": new_key(http, headers)["key"]}):
        body = {"name": uuid4().hex, "arms": [{"name": "a"}]}
        made = http.post(POOLS, json=body, headers=credential)
        assert made.status_code == (201 if writes else 403)
        if not writes:
            assert made.json()["code"] == "INSUFFICIENT_SCOPES"
        asked = proxy_pb2.CreatePoolRequest(name=uuid4().hex, arms=[common_pb2.Arm(name="a")])
        status = spoken(channel, "CreatePool", asked, credential)
        assert status == ("OK" if writes else "PERMISSION_DENIED")
        assert http.get(POOLS, headers=credential).status_code == 200
        users = http.get(f"{AUTH}/users", headers=credential)
        assert users.status_code == (200 if role == "admin" else 403)
        if role != "admin":
            assert users.json()["code"] == "FORBIDDEN"


def test_what_becomes_of_a_user_is_told_to_every_proxy(
    http: httpx.Client, connections: list[httpx.Client]
) -> None:
    founder = bearer(register(http))
    user = join(http, founder, "member")
    key = {"X-API-Key": new_key(http, bearer(user))["key"]}
    tries = [(client, who) for client in connections for who in (bearer(user), key)]
    assert all(client.get(POOLS, headers=who).is_success for client, who in tries)
    url = f"{AUTH}/users/{user['user']['id']}/status"
    off = http.patch(url, json={"is_active": False}, headers=founder)
    assert off.json()["is_active"] is False
    until(lambda: not any(client.get(POOLS, headers=who).is_success for client, who in tries))


def test_a_limit_of_a_key_holds_over_all_proxies_and_both_transports(
    http: httpx.Client, channel: grpc.Channel, connections: list[httpx.Client]
) -> None:
    founder = bearer(register(http))
    key = {"X-API-Key": new_key(http, founder, rate_limit_per_minute=10)["key"]}
    body = {"experiment_id": "0" * 32, "context": {"id": "u"}}
    asked = proxy_pb2.SelectRequest(experiment_id="0" * 32, context=common_pb2.Context(id="u"))
    url = "/api/v1/agent/select"
    statuses = [http.post(url, json=body, headers=key).status_code for _ in range(11)]
    assert statuses == [404] * 10 + [429]

    def refused_by_all() -> bool:
        answers = [client.post(url, json=body, headers=key) for client in connections]
        limited = [answer for answer in answers if answer.status_code == 429]
        assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in limited)
        return len(limited) == len(connections)

    until(refused_by_all)
    assert spoken(channel, "Select", asked, key) == "RESOURCE_EXHAUSTED"
    assert http.get(POOLS, headers=key).status_code == 200


def aged(stack: Stack, token: str, *, expired_s: int) -> str:
    """The token as if it had been good until then, signed by who signs them."""
    secret = (stack.data_dir / "secrets" / "jwt.key").read_text("ascii").split()[0]
    claims = jwt.decode(token, options={"verify_signature": False})
    headers = jwt.get_unverified_header(token)
    claims["exp"] = int(time.time()) - expired_s
    return jwt.encode(claims, bytes.fromhex(secret), algorithm="HS256", headers=headers)


def test_an_access_token_is_good_for_half_an_hour(
    stack: Stack, http: httpx.Client, channel: grpc.Channel
) -> None:
    token = register(http)["access_token"]
    ends_s = jwt.decode(token, options={"verify_signature": False})["exp"]
    assert 0 <= time.time() + 30 * 60 - ends_s < 60
    old = {"Authorization": f"Bearer {aged(stack, token, expired_s=10)}"}
    with refused(401, "UNAUTHORIZED"):
        Rest.read(http.get(POOLS, headers=old))
    assert spoken(channel, "ListPools", proxy_pb2.ListPoolsRequest(), old) == "UNAUTHENTICATED"


def test_a_forged_token_is_none(stack: Stack, http: httpx.Client) -> None:
    token = register(http)["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    headers = jwt.get_unverified_header(token)
    assert headers["alg"] == "HS256"
    forged = [
        jwt.encode(claims, "k" * 32, algorithm="HS256", headers=headers),
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, "k" * 64, algorithm="HS512", headers={**headers, "alg": "HS512"}),
    ]
    for one in forged:
        with refused(401, "UNAUTHORIZED"):
            Rest.read(http.get(POOLS, headers={"Authorization": f"Bearer {one}"}))


READS = {f"{one}:read" for one in ("experiment", "pool", "agent", "gate", "insight", "runtime")}
WRITES = {
    *(f"{one}:{verb}" for one in ("experiment", "pool") for verb in ("write", "delete")),
    *("agent:write", "gate:write"),
}


def test_the_scopes_of_the_roles(http: httpx.Client) -> None:
    founder = bearer(register(http))
    roles = Rest.read(http.get(f"{AUTH}/roles", headers=founder))["roles"]
    scopes = {role["name"]: set(role["scopes"]) for role in roles}
    assert scopes["viewer"] == READS
    assert scopes["member"] == READS | WRITES
    assert scopes["admin"] > scopes["member"]
    assert all(re.fullmatch(r"[a-z_]+:[a-z]+", scope) for scope in scopes["admin"])


def test_a_key_may_have_fewer_scopes_than_its_owner(
    http: httpx.Client, channel: grpc.Channel
) -> None:
    member = bearer(join(http, bearer(register(http)), "member"))
    key = new_key(http, member, scopes=["pool:read"])
    assert key["scopes"] == ["pool:read"]
    headers = {"X-API-Key": key["key"]}
    assert http.get(POOLS, headers=headers).status_code == 200
    for method, path in (("POST", POOLS), ("GET", "/api/v1/experiments")):
        with refused(403, "INSUFFICIENT_SCOPES"):
            Rest.read(http.request(method, path, json={}, headers=headers))
    asked = proxy_pb2.ListExperimentsRequest()
    assert spoken(channel, "ListExperiments", asked, headers) == "PERMISSION_DENIED"
    more = http.post(f"{AUTH}/api-keys", json={"scopes": ["user:write"]}, headers=member)
    assert more.status_code in (403, 422)


def test_a_key_never_has_more_than_its_owner_has_now(http: httpx.Client) -> None:
    founder = bearer(register(http))
    user = join(http, founder, "member")
    headers = {"X-API-Key": new_key(http, bearer(user))["key"]}
    body = {"name": uuid4().hex, "arms": [{"name": "a"}]}
    assert http.post(POOLS, json=body, headers=headers).status_code == 201
    url = f"{AUTH}/users/{user['user']['id']}/role"
    assert http.put(url, json={"role": "viewer"}, headers=founder).status_code == 200

    def is_viewer() -> bool:
        body = {"name": uuid4().hex, "arms": [{"name": "a"}]}
        return http.post(POOLS, json=body, headers=headers).status_code == 403

    until(is_viewer)
    assert http.get(POOLS, headers=headers).status_code == 200


def test_a_tenant_comes_from_the_credential_and_nowhere_else(
    http: httpx.Client, client: Client
) -> None:
    """What another workspace has is not there: 404, never 403."""
    made = new_experiment(client, feature_gate={})
    decision = client.select(made["id"])
    stranger = bearer(register(http))
    tenant = Rest.read(http.get(f"{AUTH}/workspace", headers=stranger))["id"]
    claims = {"X-Tenant-ID": tenant, "X-Workspace": tenant}
    for path in (
        f"{POOLS}/{made['pool_id']}",
        f"/api/v1/experiments/{made['id']}",
        f"/api/v1/gates/{made['id']}",
        f"/api/v1/insight/experiment/{made['id']}",
    ):
        assert http.get(path, headers={**stranger, **claims}).status_code == 404
    body = {"request_id": decision["request_id"], "reward": 1}
    with refused(400, "FEEDBACK_FAILED"):
        Rest.read(http.post("/api/v1/agent/feedback", json=body, headers=stranger))
    assert client.feedback(decision["request_id"], 1.0)["accepted"] is True


def test_over_grpc_too_nothing_crosses(stack: Stack, http: httpx.Client, client: Client) -> None:
    made = new_experiment(client, feature_gate={})
    request_id = client.select(made["id"])["request_id"]
    with closing(Rpc(stack.grpc_address, bearer(register(http)))) as stranger:
        for call, id, code in (
            (stranger.get_pool, made["pool_id"], "POOL_NOT_FOUND"),
            (stranger.delete_pool, made["pool_id"], "POOL_NOT_FOUND"),
            (stranger.pool_experiments, made["pool_id"], "POOL_NOT_FOUND"),
            (stranger.get_experiment, made["id"], "EXPERIMENT_NOT_FOUND"),
            (stranger.delete_experiment, made["id"], "EXPERIMENT_NOT_FOUND"),
            (stranger.get_gate, made["id"], "EXPERIMENT_NOT_FOUND"),
            (stranger.select, made["id"], "EXPERIMENT_NOT_FOUND"),
        ):
            with refused(404, code):
                call(id)
        with refused(400, "FEEDBACK_FAILED"):
            stranger.feedback(request_id, 1.0)
        assert stranger.list_experiments()["experiments"] == []


def test_an_e_mail_may_be_tried_ten_times_a_minute(http: httpx.Client) -> None:
    email = register(http)["user"]["email"]
    body = {"email": email, "password": "wrong horse"}
    for _ in range(10):
        with refused(401, "UNAUTHORIZED"):
            Rest.read(http.post(f"{AUTH}/login", json=body))
    with refused(429, "RATE_LIMITED"):
        for _ in range(20):  # of two proxies, each counts for itself
            answer = http.post(f"{AUTH}/login", json=body)
            if answer.status_code != 401:
                Rest.read(answer)
