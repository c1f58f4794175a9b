"""A workspace, who is in it, and what becomes of those who change."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from serving.proxy.people.standings import Mark
from serving.storage import keys
from tests.proxy.outage import AWAY, switch, switched_stores
from tests.proxy.people import AUTH, PASSWORD, join, register
from tests.proxy.world import World, open_world, settle

POOLS = "/api/v1/pools"
INVITES = f"{AUTH}/workspace/invites"
DAY_S = 86_400


async def make_pool(world: World, headers: dict[str, str], *, name: str) -> int:
    """The status of a write that takes a member."""
    body = {"name": name, "arms": [{"name": "a"}]}
    return (await world.bare.post(POOLS, json=body, headers=headers)).status_code


async def own_key(world: World, headers: dict[str, str], **body: Any) -> dict[str, Any]:
    """A new key of whoever the headers belong to."""
    made = await world.bare.post(f"{AUTH}/api-keys", json=body, headers=headers)
    assert made.status_code == 201, made.text
    return dict(made.json())


async def test_a_workspace_is_read_by_all_and_changed_by_admins() -> None:
    async with open_world() as world:
        ada = await register(world, workspace_name="Acme", workspace_slug="acme")
        bob = await join(world, "bob@acme.io", role="viewer", by=ada)
        url = f"{AUTH}/workspace"
        seen = (await world.bare.get(url, headers=bob.headers)).json()
        assert (seen["name"], seen["slug"]) == ("Acme", "acme")
        refused = await world.bare.patch(url, json={"name": "Bob's"}, headers=bob.headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
        changed = await world.bare.patch(url, json={**seen, "name": "Two"}, headers=ada.headers)
        assert changed.json() == {**seen, "name": "Two"}
        for body in ({"slug": "No"}, {"name": None}, {"plan": "x"}):
            wrong = await world.bare.patch(url, json=body, headers=ada.headers)
            assert wrong.status_code == 422


async def test_an_invite_is_made_listed_read_and_accepted_once() -> None:
    async with open_world() as world:
        ada = await register(world, workspace_name="Acme")
        made = await world.bare.post(INVITES, json={"email": "Bob@acme.io"}, headers=ada.headers)
        assert made.status_code == 201
        invite = made.json()
        token = invite.pop("token")
        assert (invite["email"], invite["role"]) == ("bob@acme.io", "member")
        assert invite["invited_by"] == ada.id
        assert invite["expires_at"] - invite["created_at"] == 3 * DAY_S
        listed = await world.bare.get(INVITES, headers=ada.headers)
        assert listed.json() == {"invites": [invite], "limit": 100, "offset": 0}
        read = (await world.bare.get(f"{AUTH}/invites/{token}")).json()
        assert read == {
            "email": "bob@acme.io",
            "role": "member",
            "workspace_name": "Acme",
            "expires_at": invite["expires_at"],
        }
        accept = f"{AUTH}/invites/{token}/accept"
        body = {"name": "Bob", "password": PASSWORD}
        answer = await world.bare.post(accept, json=body)
        assert answer.status_code == 201
        assert answer.json()["user"]["role"] == "member"
        again = await world.bare.post(accept, json=body)
        assert (again.status_code, again.json()["code"]) == (404, "INVITE_NOT_FOUND")
        members = await world.bare.get(f"{AUTH}/workspace/members", headers=ada.headers)
        assert [one["name"] for one in members.json()["users"]] == ["Bob", "ada"]
        taken = await world.bare.post(INVITES, json={"email": "bob@acme.io"}, headers=ada.headers)
        assert (taken.status_code, taken.json()["code"]) == (409, "USER_ALREADY_EXISTS")


async def test_an_invite_ends_by_itself_or_when_it_is_withdrawn() -> None:
    async with open_world(invite_s=0.001) as world:
        invite = (await world.http.post(INVITES, json={"email": "bob@acme.io"})).json()
        body = {"name": "Bob", "password": PASSWORD}
        url = f"{AUTH}/invites/{invite['token']}/accept"
        assert (await world.bare.post(url, json=body)).status_code == 404
    async with open_world() as world:
        invite = (await world.http.post(INVITES, json={"email": "bob@acme.io"})).json()
        gone = await world.http.delete(f"{INVITES}/{invite['id']}")
        assert gone.status_code == 200
        assert "message" in gone.json()
        assert (await world.bare.get(f"{AUTH}/invites/{invite['token']}")).status_code == 404
        assert (await world.http.delete(f"{INVITES}/{invite['id']}")).status_code == 404


async def test_another_role_holds_at_once_on_every_proxy_for_sessions_and_keys() -> None:
    async with open_world() as world, open_world(world.stores) as other:
        ada = await register(world)
        bob = await join(world, "bob@acme.io", role="member", by=ada)
        key = {"X-API-Key": (await own_key(world, bob.headers))["key"]}
        proxies, credentials = (world, other), (bob.headers, key)
        for number, (proxy, headers) in enumerate((p, h) for p in proxies for h in credentials):
            assert await make_pool(proxy, headers, name=str(number)) == 201
        url = f"{AUTH}/users/{bob.id}/role"
        changed = await world.bare.put(url, json={"role": "viewer"}, headers=ada.headers)
        assert changed.json()["role"] == "viewer"
        await settle()
        for proxy in proxies:
            for headers in credentials:
                assert await make_pool(proxy, headers, name="x") == 403
                assert (await proxy.bare.get(POOLS, headers=headers)).status_code == 200
        await world.bare.put(url, json={"role": "admin"}, headers=ada.headers)
        await settle()
        for number, proxy in enumerate(proxies):
            assert await make_pool(proxy, bob.headers, name=f"again {number}") == 201
            users = f"{AUTH}/users"
            assert (await proxy.bare.get(users, headers=bob.headers)).status_code == 200
            # A key has what it was given, however its owner rises.
            assert (await proxy.bare.get(users, headers=key)).status_code == 403


async def test_who_is_switched_off_is_out_with_all_keys_and_comes_back_with_them() -> None:
    async with open_world() as world, open_world(world.stores) as other:
        ada = await register(world)
        bob = await join(world, "bob@acme.io", by=ada)
        key = {"X-API-Key": (await own_key(world, bob.headers))["key"]}
        for proxy in (world, other):
            assert (await proxy.bare.get(POOLS, headers=key)).status_code == 200
        url = f"{AUTH}/users/{bob.id}/status"
        off = await world.bare.patch(url, json={"is_active": False}, headers=ada.headers)
        assert off.json()["is_active"] is False
        await settle()
        login = {"email": bob.email, "password": bob.password}
        refresh = {"refresh_token": bob.refresh_token}
        for proxy in (world, other):
            for headers in (bob.headers, key):
                assert (await proxy.bare.get(POOLS, headers=headers)).status_code == 401
            assert (await proxy.bare.post(f"{AUTH}/login", json=login)).status_code == 401
            assert (await proxy.bare.post(f"{AUTH}/refresh", json=refresh)).status_code == 401
        await world.bare.patch(url, json={"is_active": True}, headers=ada.headers)
        await settle()
        for proxy in (world, other):
            assert (await proxy.bare.get(POOLS, headers=key)).status_code == 200
        assert (await world.bare.post(f"{AUTH}/login", json=login)).status_code == 200


async def test_a_key_that_was_refused_meanwhile_works_as_soon_as_its_owner_is_back() -> None:
    async with open_world() as world, open_world(world.stores) as other:
        ada = await register(world)
        bob = await join(world, "bob@acme.io", by=ada)
        key = {"X-API-Key": (await own_key(world, bob.headers))["key"]}
        url = f"{AUTH}/users/{bob.id}/status"
        for is_active, status in ((False, 401), (True, 200)):
            await world.bare.patch(url, json={"is_active": is_active}, headers=ada.headers)
            await settle()
            assert (await other.bare.get(POOLS, headers=key)).status_code == status


async def test_a_change_that_no_push_told_is_read_from_the_catalog() -> None:
    async with open_world(switched_stores()) as world, open_world(world.stores) as other:
        ada = await register(world)
        bob = await join(world, "bob@acme.io", by=ada)
        channel: Any = world.stores.channel
        channel.failure = AWAY
        body = {"is_active": False}
        url = f"{AUTH}/users/{bob.id}/status"
        assert (await world.bare.patch(url, json=body, headers=ada.headers)).status_code == 200
        await settle()
        assert (await other.bare.get(POOLS, headers=bob.headers)).status_code == 200
        await other.gateway.people.standings.read()
        assert (await other.bare.get(POOLS, headers=bob.headers)).status_code == 401
        channel.failure = None


async def test_after_an_outage_what_changed_meanwhile_is_read() -> None:
    async with open_world(switched_stores()) as world, open_world(world.stores) as other:
        ada = await register(world)
        bob = await join(world, "bob@acme.io", by=ada)
        channel: Any = world.stores.channel
        accounts: Any = world.stores.accounts
        channel.failure = AWAY
        url = f"{AUTH}/users/{bob.id}/status"
        await world.bare.patch(url, json={"is_active": False}, headers=ada.headers)
        accounts.failure = AWAY
        for _ in range(3):
            await other.gateway.people.standings.read()
        assert (await other.bare.get(POOLS, headers=bob.headers)).status_code == 200
        accounts.failure = channel.failure = None
        await other.gateway.people.standings.read()
        assert (await other.bare.get(POOLS, headers=bob.headers)).status_code == 401


async def test_a_proxy_that_starts_later_knows_who_was_switched_off_before() -> None:
    async with open_world() as world:
        ada = await register(world)
        bob = await join(world, "bob@acme.io", by=ada)
        url = f"{AUTH}/users/{bob.id}/status"
        await world.bare.patch(url, json={"is_active": False}, headers=ada.headers)
        async with open_world(world.stores) as later:
            await settle()
            assert (await later.bare.get(POOLS, headers=bob.headers)).status_code == 401


async def test_while_the_catalog_is_away_a_pushed_change_still_holds() -> None:
    async with open_world(switched_stores()) as world:
        ada = await register(world)
        bob = await join(world, "bob@acme.io", by=ada)
        key = {"X-API-Key": (await own_key(world, bob.headers))["key"]}
        experiment = {"experiment_id": "0" * 32, "context": {"id": "u"}}
        assert (await world.bare.get(POOLS, headers=key)).status_code == 200
        gone = Mark(bob.id, revision=7, role="member", is_active=False, sessions_from=0)
        switch(world.stores, failure=AWAY)
        world.gateway.people.standings.heard(msgspec.json.encode(gone).decode())
        answers = [
            await world.bare.post("/api/v1/agent/select", json=experiment, headers=headers)
            for headers in (key, bob.headers)
        ]
        switch(world.stores, failure=None)
        assert [answer.status_code for answer in answers] == [401, 401]


async def test_what_a_proxy_of_another_version_says_harms_nobody() -> None:
    async with open_world() as world:
        ada = await register(world)
        standings = world.gateway.people.standings
        for strange in ("{", "[]", '{"user": 7}', "ü"):
            standings.heard(strange)
        assert (await world.bare.get(POOLS, headers=ada.headers)).status_code == 200
        later = Mark(ada.id, revision=9, role="owner", is_active=True, sessions_from=0)
        standings.heard(msgspec.json.encode(later).decode())
        assert (await world.bare.get(POOLS, headers=ada.headers)).status_code == 403


async def test_the_last_admin_cannot_go() -> None:
    async with open_world() as world:
        ada = await register(world)
        for path, body in (("role", {"role": "member"}), ("status", {"is_active": False})):
            method = "PUT" if path == "role" else "PATCH"
            url = f"{AUTH}/users/{ada.id}/{path}"
            refused = await world.bare.request(method, url, json=body, headers=ada.headers)
            assert (refused.status_code, refused.json()["code"]) == (409, "LAST_ADMIN")
        assert (await world.bare.get(f"{AUTH}/users", headers=ada.headers)).status_code == 200


async def test_nobody_gives_or_takes_more_than_they_have() -> None:
    async with open_world() as world:
        ada = await register(world)
        eve = await join(world, "eve@acme.io", role="admin", by=ada)
        scopes = ["member:write", "user:write", "user:read"]
        weak = {"X-API-Key": (await own_key(world, eve.headers, scopes=scopes))["key"]}
        bob = await join(world, "bob@acme.io", role="viewer", by=ada)
        for answer in (
            await world.bare.post(INVITES, json={"email": "x@y.io", "role": "admin"}, headers=weak),
            await world.bare.put(
                f"{AUTH}/users/{bob.id}/role", json={"role": "admin"}, headers=weak
            ),
            await world.bare.patch(
                f"{AUTH}/users/{ada.id}/status", json={"is_active": False}, headers=weak
            ),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "INSUFFICIENT_SCOPES")


async def test_the_roles_and_what_they_may_are_listed() -> None:
    async with open_world() as world:
        roles = {
            one["name"]: one for one in (await world.http.get(f"{AUTH}/roles")).json()["roles"]
        }
        assert set(roles) == {"viewer", "member", "admin"}
        assert roles["viewer"]["scopes"] == [
            *("agent:read", "experiment:read", "gate:read"),
            *("insight:read", "pool:read", "runtime:read"),
        ]
        assert set(roles["member"]["scopes"]) - set(roles["viewer"]["scopes"]) == {
            *("agent:write", "experiment:delete", "experiment:write"),
            *("gate:write", "pool:delete", "pool:write"),
        }


@pytest.mark.parametrize("user_id", ["nonsense", "%00", "A" * 32, "0" * 33])
async def test_what_can_be_no_user_is_404_and_no_store_is_asked(user_id: str) -> None:
    async with open_world(switched_stores()) as world:
        await world.http.get(POOLS)
        accounts: Any = world.stores.accounts
        accounts.failure = ValueError("the store cannot even hold such a text")
        answers = [
            await world.http.put(f"{AUTH}/users/{user_id}/role", json={"role": "viewer"}),
            await world.http.patch(f"{AUTH}/users/{user_id}/status", json={"is_active": True}),
            await world.http.delete(f"{INVITES}/{user_id}"),
        ]
        accounts.failure = None
        assert {answer.status_code for answer in answers} == {404}


async def test_people_manage_their_own_keys_and_admins_everybodys() -> None:
    async with open_world() as world:
        ada = await register(world)
        bob = await join(world, "bob@acme.io", by=ada)
        cid = await join(world, "cid@acme.io", by=ada)
        key = await own_key(world, bob.headers, name="bob's")
        url = f"{AUTH}/api-keys"
        for person, sees in ((ada, ["bob's"]), (bob, ["bob's"]), (cid, [])):
            listed = (await world.bare.get(url, headers=person.headers)).json()
            assert [one["name"] for one in listed] == sees
        rotate = f"{url}/{key['id']}/rotate"
        assert (await world.bare.post(rotate, headers=cid.headers)).status_code == 404
        assert (await world.bare.post(rotate, headers=bob.headers)).status_code == 200
        assert (await world.bare.delete(f"{url}/{key['id']}", headers=ada.headers)).is_success


async def test_who_lost_a_role_can_still_delete_the_keys_made_with_it() -> None:
    async with open_world() as world:
        ada = await register(world)
        bob = await join(world, "bob@acme.io", by=ada)
        key = await own_key(world, bob.headers)
        role = f"{AUTH}/users/{bob.id}/role"
        await world.bare.put(role, json={"role": "viewer"}, headers=ada.headers)
        url = f"{AUTH}/api-keys/{key['id']}"
        assert (await world.bare.delete(url, headers=bob.headers)).status_code == 200


async def test_a_change_is_told_to_every_proxy_by_its_topic() -> None:
    async with open_world() as world:
        ada = await register(world)
        bob = await join(world, "bob@acme.io", by=ada)
        heard = world.stores.channel.listen(keys.USERS)
        await anext(heard)
        url = f"{AUTH}/users/{bob.id}/role"
        await world.bare.put(url, json={"role": "viewer"}, headers=ada.headers)
        topic, payload = await anext(heard)
        assert topic == keys.USERS
        assert bob.id in payload
        assert bob.email not in payload
