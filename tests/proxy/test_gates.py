"""Gates over the wire: routes, what they force, and that nothing they force is learned."""

from __future__ import annotations

from typing import Any

import pytest

from tests.proxy.world import World, learning, open_world
from tests.waiting import PATIENCE_S


def url(experiment: dict[str, Any], tail: str = "") -> str:
    return f"/api/v1/gates/{experiment['id']}{tail}"


async def made(world: World, experiment: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = await world.http.post(url(experiment), json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_gate_is_made_read_replaced_changed_and_taken_away() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        arms = experiment["pool"]["arms"]
        assert (await world.http.get(url(experiment))).json()["code"] == "GATE_NOT_FOUND"
        gate = await made(
            world,
            experiment,
            rollout_percentage=25,
            default_arm_id=arms[1]["id"],
            schedule_start="2026-01-01T00:00:00",
            active_hours_start="09:00",
            rules=[{"key": "k", "operator": ">", "value": 3, "arm_name": "c"}],
        )
        assert gate["version"] == 1
        assert (gate["default_arm_name"], gate["experiment_id"]) == ("b", experiment["id"])
        assert gate["schedule_start"] == "2026-01-01T00:00:00+00:00"
        assert gate["rules"] == [
            {
                "key": "k",
                "operator": "greater_than",
                "value": 3,
                "arm_id": arms[2]["id"],
                "arm_name": "c",
            }
        ]
        again = await world.http.post(url(experiment), json={})
        assert (again.status_code, again.json()["code"]) == (409, "GATE_ALREADY_EXISTS")
        patched = await world.http.patch(
            url(experiment), json={"enabled": False, "schedule_start": None}
        )
        assert patched.json()["version"] == 2
        kept = {**gate, "enabled": False, "schedule_start": None, "version": 2}
        assert {**patched.json(), "updated_at": ""} == {**kept, "updated_at": ""}
        replaced = await world.http.put(url(experiment), json={"default_arm_id": arms[0]["id"]})
        assert replaced.json()["version"] == 3
        assert (replaced.json()["rules"], replaced.json()["rollout_percentage"]) == ([], 100.0)
        assert (await world.http.put(url(experiment), json=gate)).json()["version"] == 4
        shown = (await world.http.get(f"/api/v1/experiments/{experiment['id']}")).json()
        assert shown["feature_gate"]["version"] == 4
        assert (await world.http.delete(url(experiment))).json()["message"]
        assert (await world.http.get(url(experiment))).status_code == 404
        assert (await made(world, experiment))["version"] == 1


async def test_an_experiment_can_be_made_with_its_gate() -> None:
    async with open_world() as world:
        pool = await world.pool()
        body = {
            "name": "gated",
            "pool_id": pool["id"],
            "policy": "BetaTSPolicy",
            "feature_gate": {"rollout_percentage": 0, "default_arm_id": pool["arms"][2]["id"]},
        }
        experiment = (await world.http.post("/api/v1/experiments", json=body)).json()
        assert experiment["feature_gate"]["version"] == 1
        answer = (await world.select(experiment["id"])).json()
        assert (answer["arm"]["name"], answer["is_default"]) == ("c", True)
        wrong = {**body, "name": "other", "feature_gate": {"default_arm_id": "0" * 32}}
        refused = await world.http.post("/api/v1/experiments", json=wrong)
        assert refused.status_code == 422
        assert "default_arm_id" in refused.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"default_arm_id": "0" * 32},
        {"rules": [{"key": "k", "operator": "equals", "value": 1, "arm_name": "nobody"}]},
        {"rules": [{"key": "k", "operator": "equals", "value": 1, "arm_id": "nobody"}]},
        {"rules": [{"key": "k", "operator": "like", "value": 1}]},
        {"rules": [{"key": "", "operator": "equals", "value": 1}]},
        {"rules": [{"key": "k", "operator": "equals"}]},
        {"rules": None},
        {"timezone": "Mars/Olympus"},
        {"timezone": "../etc/passwd"},
        {"timezone": None},
        {"active_hours_start": "25:00"},
        {"active_hours_start": "9:00"},
        {"schedule_start": "tomorrow"},
        {"schedule_start": "2026-01-02T00:00:00Z", "schedule_end": "2026-01-02T00:00:00Z"},
        {"rollout_percentage": 100.1},
        {"rollout_percentage": -1},
        {"rollout_percentage": True},
        {"rollout_percentage": "50"},
        {"rollout_percentage": None},
        {"enabled": None},
        {"enabled": 1},
        {"colour": "red"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_gate_that_cannot_be_is_refused_and_nothing_changes(
    method: str, body: dict[str, Any]
) -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        before = None if method == "POST" else await made(world, experiment)
        answer = await world.http.request(method, url(experiment), json=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["code"] == "VALIDATION_ERROR"
        found = await world.http.get(url(experiment))
        assert (None if found.status_code == 404 else found.json()) == before


async def test_a_patch_cannot_turn_the_schedule_around() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        await made(world, experiment, schedule_end="2026-01-02T00:00:00Z")
        late = {"schedule_start": "2026-01-03T00:00:00Z"}
        assert (await world.http.patch(url(experiment), json=late)).status_code == 422


async def test_forced_arms_are_logged_and_never_learned() -> None:
    async with open_world(control_wait_s=PATIENCE_S) as world, learning(world) as cortex:
        experiment = await world.experiment()
        arm = experiment["pool"]["arms"][2]
        await made(world, experiment, rollout_percentage=0, default_arm_id=arm["id"])
        answer = (await world.select(experiment["id"])).json()
        assert (answer["arm"]["name"], answer["is_default"]) == ("c", True)
        assert (answer["propensity"], answer["state_version"]) == (None, None)
        assert (await world.feedback(answer["request_id"], 1.0)).json()["accepted"] is True
        await cortex.drain()
        snapshot = await world.stores.ledger.snapshot(experiment["id"])
        assert snapshot is not None
        (_, learned) = await world.stores.ledger.batches(experiment["id"], after=-1, limit=9)
        assert learned.batch.rows is not None
        assert learned.batch.rows.dispositions.tolist() == [1]
        deployment = (await world.http.get(f"/api/v1/experiments/{experiment['id']}/state")).json()
        uniform = deployment["propensities"]
        assert max(uniform) - min(uniform) < 1e-9


async def test_a_batch_mixes_forced_and_drawn_arms_in_order() -> None:
    async with open_world() as world:
        experiment = await world.experiment("RandomPolicy")
        arm = experiment["pool"]["arms"][2]
        rule = {"key": "plan", "operator": "eq", "value": "pro", "arm_id": arm["id"]}
        await made(world, experiment, rules=[rule])
        plans = ["pro", "free", "pro", "free"]
        body = {
            "experiment_id": experiment["id"],
            "contexts": [{"id": "u", "metadata": {"plan": plan}} for plan in plans],
        }
        answer = await world.http.post("/api/v1/agent/select/batch", json=body)
        decisions = answer.json()["decisions"]
        assert [one["is_default"] for one in decisions] == [True, False, True, False]
        assert decisions[0]["arm"]["name"] == decisions[2]["arm"]["name"] == "c"


async def test_a_paused_experiment_gives_the_default_arm() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        path = f"/api/v1/experiments/{experiment['id']}"
        await world.http.patch(path, json={"enabled": False})
        assert (await world.select(experiment["id"])).json()["arm"]["index"] == 0
        await made(world, experiment, default_arm_id=experiment["pool"]["arms"][1]["id"])
        answer = (await world.select(experiment["id"])).json()
        assert (answer["arm"]["index"], answer["request_id"]) == (1, None)


async def test_an_evaluation_tells_all_and_decides_nothing() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        rules = [
            {"key": "age", "operator": "<", "value": 18, "arm_name": "a"},
            {"key": "plan", "operator": "in", "value": ["pro", "max"], "arm_name": "b"},
        ]
        await made(world, experiment, rules=rules)
        body = {"context_id": "visitor-1", "context_metadata": {"plan": "max", "age": "30"}}
        told = (await world.http.post(url(experiment, "/evaluate"), json=body)).json()
        assert (told["eligible"], told["reason"], told["arm_name"]) == (False, "rule", "b")
        assert [(rule["matched"], rule["decisive"]) for rule in told["rules"]] == [
            (False, False),
            (True, True),
        ]
        told = (await world.http.post(url(experiment, "/evaluate"), json={})).json()
        assert (told["eligible"], told["reason"], told["arm_id"]) == (True, "bandit", None)


async def test_a_stranger_finds_no_gate() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        await made(world, experiment)
        headers = await world.stranger()
        for method, tail in (("GET", ""), ("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "")):
            answer = await world.http.request(
                method, url(experiment, tail), json={}, headers=headers
            )
            assert answer.status_code == 404, method
