"""Pools, as the contract has them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest

from serving.proxy.experiments import service
from tests.proxy.world import open_world

POOLS = "/api/v1/pools"


async def test_a_pool_is_answered_with_its_arms_by_index() -> None:
    async with open_world() as world:
        body = {"name": "p", "arms": [{"name": "a"}, {"name": "b", "metadata": {"colour": "red"}}]}
        made = (await world.http.post(POOLS, json=body)).json()
        assert [(arm["name"], arm["index"]) for arm in made["arms"]] == [("a", 0), ("b", 1)]
        assert [arm["metadata"] for arm in made["arms"]] == [{}, {"colour": "red"}]
        assert all(arm["is_active"] is True for arm in made["arms"])
        ids = [made["id"], *(arm["id"] for arm in made["arms"])]
        assert all(len(one) == 32 and set(one) <= set("0123456789abcdef") for one in ids)
        assert datetime.fromisoformat(made["created_at"]).utcoffset() is not None
        assert (await world.http.get(f"{POOLS}/{made['id']}")).json() == made


async def test_pools_are_listed_newest_first_in_pages() -> None:
    async with open_world() as world:
        for number in range(5):
            await world.pool(name=f"p{number}")
        page = (await world.http.get(POOLS, params={"limit": 2, "offset": 1})).json()
        assert [pool["name"] for pool in page["pools"]] == ["p3", "p2"]
        assert (page["limit"], page["offset"]) == (2, 1)
        assert (await world.http.get(POOLS)).json()["limit"] == 100


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "offset=-1", "limit=x"])
async def test_a_page_beyond_the_bounds_is_422(query: str) -> None:
    async with open_world() as world:
        assert (await world.http.get(f"{POOLS}?{query}")).status_code == 422


async def test_a_taken_name_is_a_conflict_until_its_pool_is_deleted() -> None:
    async with open_world() as world:
        made = await world.pool(name="p")
        again = await world.http.post(POOLS, json={"name": "p", "arms": [{"name": "a"}]})
        assert again.status_code == 409
        assert again.json()["code"] == "CONFLICT"
        deleted = await world.http.delete(f"{POOLS}/{made['id']}")
        assert deleted.status_code == 200
        assert set(deleted.json()) == {"message"}
        await world.pool(name="p")


async def test_a_pool_can_be_renamed() -> None:
    async with open_world() as world:
        made = await world.pool(name="p")
        url = f"{POOLS}/{made['id']}"
        assert (await world.http.patch(url, json={"name": "q"})).json()["name"] == "q"
        assert (await world.http.patch(url, json={})).json()["name"] == "q"
        await world.pool(name="taken")
        assert (await world.http.patch(url, json={"name": "taken"})).status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "p"},
        {"name": "p", "arms": []},
        {"name": "p", "arms": [{"name": "a"}, {"name": "a"}]},
        {"name": "p", "arms": [{"metadata": {}}]},
        {"name": "", "arms": [{"name": "a"}]},
        {"name": "p", "arms": [{"name": ""}]},
        {"name": 7, "arms": [{"name": "a"}]},
        {"name": "\x00", "arms": [{"name": "a"}]},
        {"name": "p", "arms": [{"name": "a", "metadata": {"k": "\x00"}}]},
        {"name": "p", "arms": [{"name": "a", "metadata": [1]}]},
        [],
    ],
)
async def test_what_is_no_proper_pool_is_422(body: Any) -> None:
    async with open_world() as world:
        answer = await world.http.post(POOLS, json=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_no_number_that_json_has_not_enters_metadata(number: str) -> None:
    async with open_world() as world:
        body = f'{{"name": "p", "arms": [{{"name": "a", "metadata": {{"k": {number}}}}}]}}'
        assert (await world.http.post(POOLS, content=body.encode())).status_code == 422


def nested(depth: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(depth):
        value = {"k": value}
    return {"name": "p", "arms": [{"name": "a", "metadata": {"k": value}}]}


async def test_metadata_that_no_list_could_show_again_is_422() -> None:
    # body, arms, arm, metadata: 4 of the 32 levels are ours; 300 is where the encoder gives up.
    async with open_world() as world:
        assert (await world.http.post(POOLS, json=nested(29))).status_code == 422
        assert (await world.http.post(POOLS, json=nested(300))).status_code == 422
        assert (await world.http.post(POOLS, json=nested(28))).status_code == 201
        assert (await world.http.get(POOLS)).status_code == 200


async def test_the_text_backslash_u0000_is_a_text_like_any_other() -> None:
    async with open_world() as world:
        await world.pool(name="C:\\u0000")


async def test_an_unknown_key_is_422_naming_it() -> None:
    async with open_world() as world:
        body = {"name": "p", "arms": [{"name": "a", "colour": "red"}]}
        answer = await world.http.post(POOLS, json=body)
        assert answer.status_code == 422
        assert "colour" in answer.json()["detail"]


async def test_an_answer_can_be_sent_again() -> None:
    async with open_world() as world:
        made = await world.pool(name="p")
        again = await world.http.post(POOLS, json={**made, "name": "q"})
        assert again.status_code == 201
        assert again.json()["id"] != made["id"]
        url = f"{POOLS}/{made['id']}"
        assert (await world.http.patch(url, json=made)).json()["arms"] == made["arms"]


async def test_an_unknown_or_foreign_pool_is_404() -> None:
    async with open_world() as world:
        made = await world.pool()
        stranger = await world.stranger()
        for pool_id, headers in ((made["id"], stranger), ("0" * 32, {}), ("nonsense", {})):
            url = f"{POOLS}/{pool_id}"
            for answer in (
                await world.http.get(url, headers=headers),
                await world.http.get(f"{url}/experiments", headers=headers),
                await world.http.patch(url, json={"name": "q"}, headers=headers),
                await world.http.delete(url, headers=headers),
            ):
                assert answer.status_code == 404
                assert answer.json()["code"] == "POOL_NOT_FOUND"


async def test_a_pool_with_experiments_stays() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        url = f"{POOLS}/{experiment['pool_id']}"
        answer = await world.http.delete(url)
        assert answer.status_code == 409
        assert answer.json()["code"] == "POOL_HAS_EXPERIMENTS"
        listed = (await world.http.get(f"{url}/experiments")).json()
        assert [one["id"] for one in listed] == [experiment["id"]]
        await world.http.delete(f"/api/v1/experiments/{experiment['id']}")
        assert (await world.http.delete(url)).status_code == 200


@pytest.mark.parametrize(
    ("role", "statuses"), [("viewer", (200, 403, 403)), ("member", (200, 201, 200))]
)
async def test_roles_may_what_their_scopes_say(role: str, statuses: tuple[int, ...]) -> None:
    async with open_world() as world:
        made = await world.pool()
        headers = {"X-API-Key": await world.key(role=role)}
        body = {"name": "q", "arms": [{"name": "a"}]}
        answers = (
            await world.http.get(POOLS, headers=headers),
            await world.http.post(POOLS, json=body, headers=headers),
            await world.http.delete(f"{POOLS}/{made['id']}", headers=headers),
        )
        assert tuple(answer.status_code for answer in answers) == statuses


async def test_all_experiments_of_a_pool_are_listed_however_many_pages_that_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "_PAGE", 2)
    async with open_world() as world:
        pool = (await world.pool())["id"]
        for number in range(5):
            body = {"name": f"e{number}", "pool_id": pool, "policy": "RandomPolicy"}
            assert (await world.http.post("/api/v1/experiments", json=body)).status_code == 201
        listed = (await world.http.get(f"{POOLS}/{pool}/experiments")).json()
        assert [one["name"] for one in listed] == ["e4", "e3", "e2", "e1", "e0"]


@pytest.mark.parametrize("depth", [32, 33, 500])
async def test_metadata_deeper_than_now_is_let_in_is_shown_as_text(depth: int) -> None:
    async with open_world() as world:
        made = await world.pool("a")
        stored = await world.stores.catalog.get_pool(world.tenant, made["id"])
        deep: dict[str, Any] = {"end": 1}
        for _ in range(depth - 1):
            deep = {"in": deep}
        arm = msgspec.structs.replace(stored.arms[0], metadata=deep)
        changed = msgspec.structs.replace(stored, arms=(arm,))
        await world.stores.catalog.change_pool(changed, before=stored, change=None)
        for path in (f"/api/v1/pools/{made['id']}", "/api/v1/pools"):
            answer = await world.http.get(path)
            assert answer.status_code == 200
            told = answer.json()
            inner = told.get("pools", [told])[0]["arms"][0]["metadata"]
            for _ in range(min(depth, 32) - 1):
                inner = inner["in"]
            if depth == 32:
                assert inner == {"end": 1}
            else:
                assert inner["in"].startswith('{"in":' if depth > 33 else '{"end":')
