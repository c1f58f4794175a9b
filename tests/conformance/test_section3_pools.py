"""Section 3 of the public API: pools, on both transports."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.conformance.clients import Client, refused
from tests.conformance.making import NOBODY, new_experiment, new_pool, unique
from tests.conformance.rest import Rest

V1 = "/api/v1"
POOL = {"id", "name", "created_at", "updated_at", "arms"}
ARM = {"id", "name", "index", "is_active", "metadata"}


def test_a_pool_is_made_shown_listed_renamed_and_deleted(client: Client) -> None:
    name = unique("pool")
    made = client.create_pool(name, [{"name": "a", "metadata": {"colour": "red"}}, {"name": "b"}])
    assert set(made) == POOL
    assert made["name"] == name
    assert all(set(arm) == ARM for arm in made["arms"])
    shown = [(arm["name"], arm["index"], arm["is_active"], arm["metadata"]) for arm in made["arms"]]
    assert shown == [("a", 0, True, {"colour": "red"}), ("b", 1, True, {})]
    assert client.get_pool(made["id"]) == made
    renamed = client.rename_pool(made["id"], name=f"{name} two")
    assert {**renamed, "updated_at": made["updated_at"]} == {**made, "name": f"{name} two"}
    before, after = (datetime.fromisoformat(one["updated_at"]) for one in (made, renamed))
    assert after > before
    client.delete_pool(made["id"])
    with refused(404, "POOL_NOT_FOUND"):
        client.get_pool(made["id"])


def test_pools_are_listed_in_pages_newest_first(client: Client) -> None:
    made = [new_pool(client)["id"] for _ in range(3)]
    whole = client.list_pools()
    assert [one["id"] for one in whole["pools"][:3]] == made[::-1]
    assert (whole["limit"], whole["offset"]) == (100, 0)
    page = client.list_pools(limit=2, offset=1)
    assert set(page) == {"pools", "limit", "offset"}
    assert [one["id"] for one in page["pools"]] == [made[1], made[0]]
    assert (page["limit"], page["offset"]) == (2, 1)
    assert page["pools"][0] == client.get_pool(made[1])
    assert client.list_pools(limit=500)["limit"] == 500


@pytest.mark.parametrize("page", [{"limit": -1}, {"limit": 501}, {"offset": -1}])
def test_a_page_that_cannot_be_is_unprocessable(client: Client, page: dict[str, int]) -> None:
    with refused(422, "VALIDATION_ERROR"):
        client.list_pools(**page)


def test_what_cannot_be_a_pool_is_refused(client: Client) -> None:
    name = new_pool(client)["name"]
    with refused(409, "CONFLICT"):
        client.create_pool(name, [{"name": "a"}])
    with refused(422, "VALIDATION_ERROR"):
        client.create_pool(unique("pool"), [])
    with refused(422, "VALIDATION_ERROR"):
        client.create_pool(unique("pool"), [{"name": "a"}, {"name": "a"}])
    with refused(422, "VALIDATION_ERROR"):
        client.create_pool("", [{"name": "a"}])
    with refused(409, "CONFLICT"):
        client.rename_pool(new_pool(client)["id"], name=name)


def test_a_pool_with_experiments_stays(client: Client) -> None:
    experiment = new_experiment(client)
    with refused(409, "POOL_HAS_EXPERIMENTS"):
        client.delete_pool(experiment["pool_id"])
    assert client.pool_experiments(experiment["pool_id"]) == [experiment]
    client.delete_experiment(experiment["id"])
    assert client.pool_experiments(experiment["pool_id"]) == []
    client.delete_pool(experiment["pool_id"])


def test_a_name_is_free_again_after_a_delete(client: Client) -> None:
    pool = new_pool(client)
    client.delete_pool(pool["id"])
    assert client.create_pool(pool["name"], [{"name": "a"}])["id"] != pool["id"]


@pytest.mark.parametrize("pool", [NOBODY, "nonsense", "A" * 32])
def test_a_pool_that_is_not_there_is_not_found(client: Client, pool: str) -> None:
    for call in (client.get_pool, client.delete_pool, client.pool_experiments):
        with refused(404, "POOL_NOT_FOUND"):
            call(pool)
    with refused(404, "POOL_NOT_FOUND"):
        client.rename_pool(pool, name="x")


def test_arms_are_added_retired_and_revived_and_keep_their_index(rest: Rest) -> None:
    pool = new_pool(rest)
    a, b, c = pool["arms"]
    url = f"{V1}/pools/{pool['id']}"
    grown = rest.ask("PATCH", url, {"arms": [{"name": "d", "metadata": {"n": 1}}]})
    assert grown["arms"][:3] == [a, b, c]
    d = grown["arms"][3]
    assert {**d, "id": ""} == {
        "id": "",
        "name": "d",
        "index": 3,
        "is_active": True,
        "metadata": {"n": 1},
    }
    retired = rest.ask("PATCH", url, {"arms": [{"id": b["id"], "is_active": False}]})
    assert retired["arms"] == [a, {**b, "is_active": False}, c, d]
    revived = rest.ask("PATCH", url, {"arms": [{"id": b["id"], "is_active": True, "name": "bee"}]})
    assert revived["arms"] == [a, {**b, "name": "bee"}, c, d]
    assert rest.ask("PATCH", url, {"arms": []})["arms"] == revived["arms"]
    with refused(422, "VALIDATION_ERROR"):
        rest.ask("PATCH", url, {"arms": [{"id": a["id"], "index": 2}]})
    with refused(422, "VALIDATION_ERROR"):
        rest.ask("PATCH", url, {"arms": [{"name": "a"}]})
    with refused(422, "VALIDATION_ERROR"):
        rest.ask("PATCH", url, {"arms": [{"id": NOBODY, "is_active": False}]})


def test_a_pool_may_come_back_as_it_was_answered(rest: Rest) -> None:
    pool = new_pool(rest)
    answer = rest.ask("PATCH", f"{V1}/pools/{pool['id']}", pool)
    assert answer == pool
    again = rest.ask("POST", f"{V1}/pools", {**pool, "name": unique("pool")})
    assert again["id"] != pool["id"]


def test_null_is_no_name(rest: Rest) -> None:
    with refused(422, "VALIDATION_ERROR"):
        rest.ask("PATCH", f"{V1}/pools/{new_pool(rest)['id']}", {"name": None})
