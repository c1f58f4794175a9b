"""Credentials: where they stand, what they allow, how they end."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.proxy.outage import switched_stores
from tests.proxy.world import open_world, settle

KEYS = "/api/auth/api-keys"
POOLS = "/api/v1/pools"


async def test_a_key_is_shown_once_and_stored_as_a_digest() -> None:
    async with open_world() as world:
        made = (await world.http.post(KEYS, json={"name": "ci", "scopes": ["agent:read"]})).json()
        assert re.fullmatch(r"optiq_[A-Za-z0-9_-]{43}", made["key"])
        assert made["scopes"] == ["agent:read"]
        assert made["is_active"] is True
        assert isinstance(made["created_at"], float)
        listed = (await world.http.get(KEYS)).json()
        assert listed[0]["id"] == made["id"]
        assert all("key" not in one and "last_used_at" in one for one in listed)
        record = await world.stores.catalog.get_api_key(world.tenant, made["id"])
        assert made["key"] not in repr(record)


async def test_a_key_has_its_makers_scopes_by_default_and_never_more() -> None:
    async with open_world() as world:
        viewer = {"X-API-Key": await world.key(role="viewer")}
        made = (await world.http.post(KEYS, json={}, headers=viewer)).json()
        assert made["name"] == "Default API Key"
        assert "pool:read" in made["scopes"]
        assert "pool:write" not in made["scopes"]
        more = {"scopes": ["pool:read", "pool:write"]}
        refused = await world.http.post(KEYS, json=more, headers=viewer)
        assert refused.status_code == 403
        assert "pool:write" in refused.json()["detail"]


async def test_a_weak_key_manages_no_stronger_one() -> None:
    async with open_world() as world:
        admin = (await world.http.get(KEYS)).json()[0]["id"]
        viewer = {"X-API-Key": await world.key(role="viewer")}
        assert [one["name"] for one in (await world.http.get(KEYS, headers=viewer)).json()] == [
            "viewer"
        ]
        url = f"{KEYS}/{admin}"
        for answer in (
            await world.http.patch(url, json={"name": "x"}, headers=viewer),
            await world.http.post(f"{url}/rotate", headers=viewer),
            await world.http.delete(url, headers=viewer),
        ):
            assert answer.status_code == 404
            assert answer.json()["code"] == "API_KEY_NOT_FOUND"


@pytest.mark.parametrize("key_id", ["nonsense", "%00", "A" * 32, "0" * 33])
async def test_what_can_be_no_key_is_404_and_no_store_is_asked(key_id: str) -> None:
    async with open_world(switched_stores()) as world:
        await world.http.get(KEYS)
        switch: Any = world.stores.catalog
        switch.failure = ValueError("the store cannot even hold such a text")
        url = f"{KEYS}/{key_id}"
        for answer in (
            await world.http.patch(url, json={"name": "x"}),
            await world.http.post(f"{url}/rotate"),
            await world.http.delete(url),
        ):
            assert answer.status_code == 404
            assert answer.json()["code"] == "API_KEY_NOT_FOUND"


async def test_after_a_rotation_only_the_new_key_works() -> None:
    async with open_world() as world:
        made = (await world.http.post(KEYS, json={"name": "ci"})).json()
        old = {"X-API-Key": made["key"]}
        assert (await world.http.get(POOLS, headers=old)).status_code == 200
        rotated = (await world.http.post(f"{KEYS}/{made['id']}/rotate")).json()
        assert rotated["id"] == made["id"]
        assert (await world.http.get(POOLS, headers=old)).status_code == 401
        new = {"X-API-Key": rotated["key"]}
        assert (await world.http.get(POOLS, headers=new)).status_code == 200


async def test_a_deleted_key_ends_at_once_here_and_on_every_proxy() -> None:
    async with open_world() as world, open_world(world.stores) as other:
        made = (await world.http.post(KEYS, json={"name": "ci"})).json()
        headers = {"X-API-Key": made["key"]}
        assert (await other.http.get(POOLS, headers=headers)).status_code == 200
        renamed = await world.http.patch(f"{KEYS}/{made['id']}", json={"name": "old"})
        assert renamed.json()["name"] == "old"
        assert (await world.http.delete(f"{KEYS}/{made['id']}")).status_code == 200
        assert (await world.http.get(POOLS, headers=headers)).status_code == 401
        await settle()
        assert (await other.http.get(POOLS, headers=headers)).status_code == 401


async def test_the_key_header_comes_before_the_bearer_and_does_not_fall_through() -> None:
    async with open_world() as world:
        good = await world.key(role="viewer")
        bearer = {"Authorization": f"Bearer {good}"}
        del world.http.headers["X-API-Key"]
        assert (await world.http.get(POOLS, headers=bearer)).status_code == 200
        assert (await world.http.get(POOLS, headers={"X-API-Key": good})).status_code == 200
        for bad in ("", "optiq_wrong", "optiq_" + "x" * 43):
            answer = await world.http.get(POOLS, headers={**bearer, "X-API-Key": bad})
            assert answer.status_code == 401
            assert answer.json()["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize("path", [POOLS, "/api/v1/experiments", "/api/v1/policies", KEYS])
async def test_nobody_is_let_in_without_a_credential(path: str) -> None:
    async with open_world() as world:
        del world.http.headers["X-API-Key"]
        answer = await world.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")


async def test_who_is_not_let_in_learns_nothing_about_the_body() -> None:
    async with open_world(body_limit_bytes=2000) as world:
        for path in (POOLS, "/api/v1/agent/select", "/api/v1/agent/feedback"):
            for body in (b"{", b"x" * 3000):
                answer = await world.http.post(path, content=body, headers={"X-API-Key": "x"})
                assert answer.status_code == 401


async def test_the_last_use_is_noted() -> None:
    async with open_world() as world:
        await world.http.get(POOLS)
        await world.gateway.auth.flush_used()
        (key,) = (await world.http.get(KEYS)).json()
        assert key["last_used_at"] >= key["created_at"]
