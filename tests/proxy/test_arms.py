"""Arms come, retire and come back while experiments on their pool run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.proxy.world import World, learning, open_world
from tests.waiting import PATIENCE_S

POOLS = "/api/v1/pools"


async def _patch(world: World, pool_id: str, *arms: dict[str, Any], status: int = 200) -> Any:
    answer = await world.http.patch(f"{POOLS}/{pool_id}", json={"arms": list(arms)})
    assert answer.status_code == status, answer.text
    return answer.json()


async def _chosen(world: World, experiment: str, *, n: int = 60) -> set[str]:
    """Names of the arms of n decisions."""
    answers = [(await world.select(experiment)).json() for _ in range(n)]
    return {answer["arm"]["name"] for answer in answers}


async def test_an_arm_that_comes_is_chosen_and_one_that_retires_is_not() -> None:
    async with open_world(control_wait_s=PATIENCE_S) as world, learning(world) as cortex:
        experiment = await world.experiment("RandomPolicy")
        pool = experiment["pool"]
        assert await _chosen(world, experiment["id"]) == {"a", "b", "c"}
        retired = {"id": pool["arms"][0]["id"], "is_active": False}
        changed = await _patch(world, pool["id"], {"name": "d"}, retired)
        assert [(arm["name"], arm["index"]) for arm in changed["arms"]] == [
            ("a", 0),
            ("b", 1),
            ("c", 2),
            ("d", 3),
        ]
        await cortex.drain()
        await world.motor.refresh(experiment["id"])
        assert await _chosen(world, experiment["id"]) == {"b", "c", "d"}
        await _patch(world, pool["id"], {**retired, "is_active": True})
        await cortex.drain()
        await world.motor.refresh(experiment["id"])
        assert await _chosen(world, experiment["id"]) == {"a", "b", "c", "d"}


async def test_what_is_left_out_stays_and_an_answer_can_be_sent_again() -> None:
    async with open_world() as world:
        pool = await world.pool()
        first = pool["arms"][0]
        changed = await _patch(
            world, pool["id"], {"id": first["id"], "name": "z", "metadata": {"k": 1}}
        )
        assert [arm["name"] for arm in changed["arms"]] == ["z", "b", "c"]
        assert changed["arms"][0]["metadata"] == {"k": 1}
        assert await _patch(world, pool["id"], *changed["arms"]) == changed


@pytest.mark.parametrize(
    ("arms", "told"),
    [
        ([{"id": "0" * 32, "name": "x"}], "no arm of this pool"),
        ([{"metadata": {}}], "needs a name"),
        ([{"name": "a"}], "more than once: a"),
        ([{"name": "x"}, {"name": "x"}], "more than once: x"),
        ([{"name": "x", "index": 0}], "has index 3 for ever, not 0"),
        ([{"id": "FIRST", "index": 1}], "has index 0 for ever, not 1"),
        ([{"id": "FIRST", "name": None}], "null is not a value"),
        ([{"id": "FIRST", "colour": "red"}], "colour"),
        ([{"id": "FIRST", "is_active": 0}], "is_active"),
        ([{"name": ""}], "name"),
        (None, "null is not a value"),
    ],
)
async def test_arms_that_cannot_be_are_refused_and_nothing_changes(arms: Any, told: str) -> None:
    async with open_world() as world:
        pool = await world.pool()
        for arm in arms or ():
            if arm.get("id") == "FIRST":
                arm["id"] = pool["arms"][0]["id"]
        answer = await world.http.patch(f"{POOLS}/{pool['id']}", json={"arms": arms})
        assert answer.status_code == 422, answer.text
        assert told in answer.text
        assert (await world.http.get(f"{POOLS}/{pool['id']}")).json() == pool


async def test_the_last_arm_cannot_retire() -> None:
    async with open_world() as world:
        pool = await world.pool("a", "b")
        all_of_them = [{"id": arm["id"], "is_active": False} for arm in pool["arms"]]
        refused = await _patch(world, pool["id"], *all_of_them, status=422)
        assert "at least one must be choosable" in refused["detail"]


async def test_an_experiment_that_cannot_get_more_arms_is_named_and_nothing_changes() -> None:
    async with open_world() as world:
        experiment = await world.experiment("EXP4Policy", dim=6)
        pool = experiment["pool"]
        refused = await _patch(world, pool["id"], {"name": "d"}, status=409)
        assert f"experiment {experiment['id']} ('test') cannot have 4 arms" in refused["detail"]
        assert len((await world.http.get(f"{POOLS}/{pool['id']}")).json()["arms"]) == 3


async def test_what_was_learned_of_the_old_arms_stays() -> None:
    async with open_world(control_wait_s=PATIENCE_S) as world, learning(world) as cortex:
        experiment = await world.experiment()
        for _ in range(5):
            selected = (await world.select(experiment["id"])).json()
            await world.feedback(selected["request_id"], 1.0)
        await cortex.drain()
        before = await world.stores.ledger.snapshot(experiment["id"])
        await _patch(world, experiment["pool"]["id"], {"name": "d"})
        after = await world.stores.ledger.snapshot(experiment["id"])
        assert before is not None
        assert after is not None
        assert (after.version, after.epoch) == (before.version + 1, 0)
        assert '"n_arms":4' in after.configuration
        assert after.law is not None
        assert len(after.law) == 4 * 8
