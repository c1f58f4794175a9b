"""Many decisions, many rewards, in one request."""

from __future__ import annotations

from typing import Any

from tests.proxy.world import World, open_world

SELECT = "/api/v1/agent/select/batch"
FEEDBACK = "/api/v1/agent/feedback/batch"


async def select(world: World, experiment: str, contexts: list[dict[str, Any]]) -> Any:
    return await world.http.post(SELECT, json={"experiment_id": experiment, "contexts": contexts})


async def test_a_batch_is_decided_as_single_ones_are() -> None:
    async with open_world() as world:
        made = await world.experiment("LinUCBPolicy", dim=1)
        contexts = [{"id": f"u{number}", "vector": [number / 600]} for number in range(600)]
        answer = await select(world, made["id"], contexts)
        assert answer.status_code == 200, answer.text
        decisions = answer.json()["decisions"]
        assert len(decisions) == 600
        tokens = [
            world.gateway.agent.sealer.open(one["request_id"], tenant=world.tenant)
            for one in decisions
        ]
        assert len({token.decision_id for token in tokens}) == 600
        for token, one in zip(tokens, decisions, strict=True):
            assert token.arm == one["arm"]["index"]
            assert token.low <= token.u < token.low + token.propensity


async def test_a_batch_of_feedback_tells_what_became_of_each() -> None:
    async with open_world() as world:
        made = await world.experiment()
        answer = await select(world, made["id"], [{"id": "a"}, {"id": "b"}])
        first, second = (one["request_id"] for one in answer.json()["decisions"])
        items = [
            {"request_id": first, "reward": 1},
            {"request_id": "forged", "reward": 1},
            {"request_id": second, "reward": 7},
            {"request_id": second, "reward": 0},
            {"request_id": "", "reward": 0},
        ]
        told = await world.http.post(FEEDBACK, json={"items": items})
        assert told.status_code == 201, told.text
        results = told.json()["results"]
        assert [one["accepted"] for one in results] == [True, False, False, True, False]
        assert [one.get("error", "").partition(":")[0] for one in results] == [
            "",
            "FEEDBACK_FAILED",
            "INVALID_REWARD",
            "",
            "",
        ]
        again = await world.http.post(FEEDBACK, json={"items": items[:1]})
        assert again.json()["results"] == [{"accepted": True, "duplicate": True}]
        assert sorted(event.reward for event in await world.events(made["id"])) == [0.0, 1.0]


async def test_one_wrong_context_refuses_the_batch_and_logs_nothing_of_its_group() -> None:
    async with open_world() as world:
        made = await world.experiment("LinUCBPolicy", dim=1)
        answer = await select(world, made["id"], [{"id": "a", "vector": [1.0]}, {"id": "b"}])
        assert answer.status_code == 400
        assert answer.json()["code"] == "INVALID_CONTEXT_VECTOR"
        assert len(world.gateway.decisions) == 0


async def test_a_paused_experiment_answers_a_batch_with_its_control_arm() -> None:
    async with open_world() as world:
        made = await world.experiment()
        url = f"/api/v1/experiments/{made['id']}"
        await world.http.patch(url, json={"enabled": False})
        decisions = (await select(world, made["id"], [{"id": "a"}] * 3)).json()["decisions"]
        assert [one["request_id"] for one in decisions] == [None] * 3


async def test_ten_thousand_are_the_most() -> None:
    async with open_world() as world:
        made = await world.experiment("RandomPolicy")
        contexts = [{"id": "u"}] * 10_000
        assert len((await select(world, made["id"], contexts)).json()["decisions"]) == 10_000
        assert (await select(world, made["id"], [*contexts, {"id": "u"}])).status_code == 422
        assert (await select(world, made["id"], [])).json() == {"decisions": []}
