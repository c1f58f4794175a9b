"""Sections 2 and 3 (Auth) of the public API: people, roles and keys, on both transports."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import grpc
import httpx
import pytest

from serving.stack import Stack
from serving.wire.gen import common_pb2, proxy_pb2
from tests.conformance.people import AUTH, PASSWORD, Headers, bearer, join, login, new_key, register

POOLS = "/api/v1/pools"


@pytest.fixture
def channel(stack: Stack) -> Iterator[grpc.Channel]:
    """To the public service."""
    with grpc.insecure_channel(stack.grpc_address) as opened:
        yield opened


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


def test_a_session_begins_renews_and_ends(http: httpx.Client) -> None:
    assert http.get(f"{AUTH}/config").json() == {
        "signup_open": True,
        "edition": "oss",
        "email_enabled": False,
    }
    session = register(http)
    email = session["user"]["email"]
    profile = http.get(f"{AUTH}/profile", headers=bearer(session))
    assert profile.json() == session["user"]
    again = http.post(f"{AUTH}/register", json={"email": email.upper(), "password": PASSWORD})
    assert (again.status_code, again.json()["code"]) == (409, "USER_ALREADY_EXISTS")
    wrong = http.post(f"{AUTH}/login", json={"email": email, "password": "wrong horse"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "UNAUTHORIZED")
    old = {"refresh_token": session["refresh_token"]}
    renewed = http.post(f"{AUTH}/refresh", json=old).json()
    assert set(renewed) == {"access_token", "refresh_token", "token_type"}
    reused = http.post(f"{AUTH}/refresh", json=old)
    assert (reused.status_code, reused.json()["code"]) == (401, "INVALID_TOKEN")
    ended = http.post(f"{AUTH}/refresh", json={"refresh_token": renewed["refresh_token"]})
    assert ended.status_code == 401
    body = {"current_password": PASSWORD, "new_password": "battery staple"}
    session = login(http, email)
    changed = http.post(f"{AUTH}/change-password", json=body, headers=bearer(session))
    assert changed.status_code == 200
    dead = http.post(f"{AUTH}/refresh", json={"refresh_token": session["refresh_token"]})
    assert dead.status_code == 401
    assert login(http, email, "battery staple")["user"]["email"] == email


def test_a_key_is_made_listed_renamed_rotated_and_ended(http: httpx.Client) -> None:
    headers = bearer(register(http))
    made = new_key(http, headers)
    assert re.fullmatch(r"optiq_[A-Za-z0-9_-]{43}", made["key"])
    assert made["name"] == "Default API Key"
    assert {"id", "rate_limit_per_minute", "scopes", "created_at", "is_active"} <= set(made)
    (listed,) = http.get(f"{AUTH}/api-keys", headers=headers).json()
    assert "key" not in listed
    assert listed["last_used_at"] is None
    url = f"{AUTH}/api-keys/{made['id']}"
    assert http.patch(url, json={"name": "ci"}, headers=headers).json()["name"] == "ci"
    rotated = http.post(f"{url}/rotate", headers=headers).json()
    assert http.get(POOLS, headers={"X-API-Key": rotated["key"]}).status_code == 200
    assert http.get(POOLS, headers={"Authorization": f"Bearer {rotated['key']}"}).is_success
    assert http.delete(url, headers=headers).status_code == 200
    assert http.get(f"{AUTH}/api-keys", headers=headers).json() == []


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


def test_what_becomes_of_a_user_is_known_to_every_proxy_within_two_seconds(
    stack: Stack, http: httpx.Client
) -> None:
    founder = bearer(register(http))
    user = join(http, founder, "member")
    key = {"X-API-Key": new_key(http, bearer(user))["key"]}
    with ExitStack() as opened:
        # A connection stays with one of the two proxies.
        clients = [opened.enter_context(httpx.Client(base_url=stack.url)) for _ in range(8)]
        tries = [(client, headers) for client in clients for headers in (bearer(user), key)]
        assert all(client.get(POOLS, headers=headers).is_success for client, headers in tries)
        url = f"{AUTH}/users/{user['user']['id']}/status"
        off = http.patch(url, json={"is_active": False}, headers=founder)
        assert off.json()["is_active"] is False
        began_s = time.monotonic()
        while any(client.get(POOLS, headers=headers).is_success for client, headers in tries):
            assert time.monotonic() - began_s < 2.0


def test_a_limit_of_a_key_holds_over_all_proxies_and_both_transports(
    stack: Stack, http: httpx.Client, channel: grpc.Channel
) -> None:
    founder = bearer(register(http))
    key = {"X-API-Key": new_key(http, founder, rate_limit_per_minute=10)["key"]}
    body = {"experiment_id": "0" * 32, "context": {"id": "u"}}
    asked = proxy_pb2.SelectRequest(experiment_id="0" * 32, context=common_pb2.Context(id="u"))
    url = "/api/v1/agent/select"
    statuses = [http.post(url, json=body, headers=key).status_code for _ in range(11)]
    assert statuses == [404] * 10 + [429]
    with ExitStack() as opened:
        clients = [opened.enter_context(httpx.Client(base_url=stack.url)) for _ in range(8)]
        began_s = time.monotonic()
        while True:
            answers = [client.post(url, json=body, headers=key) for client in clients]
            if all(answer.status_code == 429 for answer in answers):
                break
            assert time.monotonic() - began_s < 2.0
        assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in answers)
    assert spoken(channel, "Select", asked, key) == "RESOURCE_EXHAUSTED"
    assert http.get(POOLS, headers=key).status_code == 200


def test_a_workspace_and_its_members(http: httpx.Client) -> None:
    founder = bearer(register(http, workspace_name="Acme"))
    member = join(http, founder, "member")
    workspace = http.get(f"{AUTH}/workspace", headers=bearer(member)).json()
    assert workspace["name"] == "Acme"
    renamed = http.patch(f"{AUTH}/workspace", json={"name": "Two"}, headers=founder)
    assert renamed.json() == {**workspace, "name": "Two"}
    members = http.get(f"{AUTH}/workspace/members", headers=founder).json()
    assert [one["role"] for one in members["users"]] == ["member", "admin"]
    assert (members["limit"], members["offset"]) == (100, 0)
    url = f"{AUTH}/users/{member['user']['id']}/role"
    assert http.put(url, json={"role": "viewer"}, headers=founder).json()["role"] == "viewer"
    roles = http.get(f"{AUTH}/roles", headers=founder).json()["roles"]
    assert [one["name"] for one in roles] == ["viewer", "member", "admin"]
    entries = http.get("/api/v1/audit", headers=founder).json()["entries"]
    assert entries[0]["action"] == "user.change"
    assert entries[0]["subject"] == member["user"]["id"]
