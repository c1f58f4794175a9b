"""Who wrote what, as admins read it."""

from __future__ import annotations

from typing import Any

from tests.proxy.people import AUTH, join, register
from tests.proxy.world import World, open_world

AUDIT = "/api/v1/audit"


async def entries(world: World, headers: dict[str, str], **asked: int) -> list[dict[str, Any]]:
    """What an admin reads, oldest first."""
    answer = await world.bare.get(AUDIT, params=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    return list(reversed(answer.json()["entries"]))


async def test_every_write_of_a_day_is_there_with_who_and_which() -> None:
    async with open_world() as world:
        ada = await register(world)
        http, headers = world.bare, ada.headers
        arms = {"name": "p", "arms": [{"name": "a"}, {"name": "b"}]}
        pool = (await http.post("/api/v1/pools", json=arms, headers=headers)).json()
        asked = {"name": "e", "pool_id": pool["id"], "policy": "BetaTSPolicy"}
        made = (await http.post("/api/v1/experiments", json=asked, headers=headers)).json()
        one = f"/api/v1/experiments/{made['id']}"
        await http.patch(one, json={"enabled": False}, headers=headers)
        await http.post(f"{one}/reset", headers=headers)
        await http.delete(one, headers=headers)
        await http.delete(f"/api/v1/pools/{pool['id']}", headers=headers)
        key = (await http.post(f"{AUTH}/api-keys", json={}, headers=headers)).json()
        bob = await join(world, "bob@acme.io", by=ada)
        role = {"role": "viewer"}
        await http.put(f"{AUTH}/users/{bob.id}/role", json=role, headers={"X-API-Key": key["key"]})
        found = await entries(world, headers)
        assert [(entry["action"], entry["user_id"]) for entry in found] == [
            ("user.register", ada.id),
            ("session.begin", ada.id),
            ("pool.create", ada.id),
            ("experiment.create", ada.id),
            ("experiment.change", ada.id),
            ("experiment.reset", ada.id),
            ("experiment.delete", ada.id),
            ("pool.delete", ada.id),
            ("api_key.create", ada.id),
            ("invite.create", ada.id),
            ("invite.accept", bob.id),
            ("session.begin", bob.id),
            ("user.change", ada.id),
        ]
        subjects = {entry["action"]: entry["subject"] for entry in found}
        assert subjects["pool.create"] == pool["id"]
        assert subjects["experiment.delete"] == made["id"]
        assert subjects["user.change"] == bob.id
        assert found[-1]["api_key_id"] == key["id"]
        assert found[2]["api_key_id"] is None
        assert found[0]["at"].endswith("+00:00")


async def test_an_entry_names_the_request_as_its_caller_did() -> None:
    async with open_world() as world:
        ada = await register(world)
        for number, name in enumerate(("trace-7", "x" * 129, "ü", "")):
            headers: dict[str, Any] = {**ada.headers, "X-Request-ID": name.encode("utf-8")}
            body = {"name": f"{number}", "arms": [{"name": "a"}]}
            answer = await world.bare.post("/api/v1/pools", json=body, headers=headers)
            assert answer.status_code == 201
        names = [entry["request_id"] for entry in await entries(world, ada.headers)][-4:]
        assert names[0] == "trace-7"
        assert all(len(name) == 32 for name in names[1:])
        assert len(set(names)) == 4


async def test_reading_and_failing_leave_no_entry() -> None:
    async with open_world() as world:
        ada = await register(world)
        before = await entries(world, ada.headers)
        await world.bare.get("/api/v1/pools", headers=ada.headers)
        await world.bare.post("/api/v1/pools", json={"name": ""}, headers=ada.headers)
        await world.bare.delete(f"/api/v1/pools/{'0' * 32}", headers=ada.headers)
        body = {"email": ada.email, "password": "wrong horse"}
        await world.bare.post(f"{AUTH}/login", json=body)
        assert await entries(world, ada.headers) == before


async def test_entries_come_in_pages_to_admins_of_the_tenant_only() -> None:
    async with open_world(signup="open") as world:
        ada = await register(world)
        await register(world, "eve@evil.io")
        bob = await join(world, "bob@acme.io", by=ada)
        everything = await entries(world, ada.headers)
        newest = await entries(world, ada.headers, limit=2)
        assert newest == everything[-2:]
        assert await entries(world, ada.headers, limit=2, offset=2) == everything[-4:-2]
        refused = await world.bare.get(AUDIT, headers=bob.headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
        too_many = await world.bare.get(AUDIT, params={"limit": 501}, headers=ada.headers)
        assert too_many.status_code == 422
