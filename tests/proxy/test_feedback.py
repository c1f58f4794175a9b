"""POST /api/v1/agent/feedback, as the contract has it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from serving.tokens import DecisionToken, TokenSealer
from tests.proxy.world import TOKEN_KEY, World, open_world

FEEDBACK = "/api/v1/agent/feedback"


async def selected(world: World, experiment: dict[str, Any]) -> str:
    return str((await world.select(experiment["id"])).json()["request_id"])


async def test_the_event_carries_all_that_the_decision_was() -> None:
    async with open_world() as world:
        experiment = await world.experiment("LinUCBPolicy", dim=2)
        answer = (await world.select(experiment["id"], vector=[0.5, -1.0])).json()
        token = world.gateway.agent.sealer.open(answer["request_id"], tenant=world.tenant)
        await world.feedback(answer["request_id"], 0.25, feedback_id="second click")
        (event,) = await world.events(experiment["id"])
        for name in ("experiment", "epoch", "decision_id", "arm", "u", "low", "propensity"):
            assert getattr(event, name) == getattr(token, name)
        assert (event.version, event.gate, event.context) == (0, False, token.context)
        assert (event.reward, event.feedback_id) == (0.25, "second click")
        assert event.decided_ms <= event.received_ms


async def test_the_same_feedback_twice_is_told_and_stored_once() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        request_id = await selected(world, experiment)
        answers = [(await world.feedback(request_id)).json() for _ in range(3)]
        assert answers[0] == {"accepted": True, "duplicate": False}
        assert answers[1:] == [{"accepted": True, "duplicate": True}] * 2
        assert len(await world.events(experiment["id"])) == 1


async def test_another_feedback_id_is_another_reward() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        request_id = await selected(world, experiment)
        for name in ("", "a", "b"):
            answer = await world.feedback(request_id, feedback_id=name)
            assert answer.json()["duplicate"] is False
        assert len(await world.events(experiment["id"])) == 3


async def test_an_empty_request_id_is_not_accepted_and_no_error() -> None:
    async with open_world() as world:
        answer = await world.feedback("")
        assert answer.status_code == 201
        assert answer.json() == {"accepted": False, "duplicate": False}


@pytest.mark.parametrize("request_id", ["x", "A" * 182, "nonsense of any length", "é"])
async def test_a_forged_token_is_refused(request_id: str) -> None:
    async with open_world() as world:
        answer = await world.feedback(request_id)
        assert answer.status_code == 400
        assert answer.json()["code"] == "FEEDBACK_FAILED"
        assert answer.json()["context"] == {"reason": "forged"}


async def test_a_token_of_another_workspace_is_refused() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        body = {"request_id": await selected(world, experiment), "reward": 1}
        answer = await world.http.post(FEEDBACK, json=body, headers=await world.stranger())
        assert answer.status_code == 400
        assert answer.json()["code"] == "FEEDBACK_FAILED"
        assert await world.events(experiment["id"]) == []


async def test_an_expired_token_is_refused() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        decided_s = time.time() - 31 * 86_400
        token = DecisionToken(
            world.tenant,
            experiment["id"],
            "d" * 32,
            epoch=0,
            version=0,
            decided_ms=round(decided_s * 1000),
            arm=0,
            u=0.5,
            low=0.0,
            propensity=1.0,
        )
        text = TokenSealer([TOKEN_KEY], clock=lambda: decided_s).seal(token)
        answer = await world.feedback(text)
        assert answer.status_code == 400
        assert answer.json()["context"] == {"reason": "expired"}


async def test_feedback_for_a_deleted_experiment_is_refused() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        request_id = await selected(world, experiment)
        url = f"/api/v1/experiments/{experiment['id']}"
        assert (await world.http.delete(url)).status_code == 200
        answer = await world.feedback(request_id)
        assert answer.status_code == 400
        assert answer.json()["code"] == "FEEDBACK_FAILED"


async def test_feedback_is_taken_while_the_experiment_is_paused() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        request_id = await selected(world, experiment)
        url = f"/api/v1/experiments/{experiment['id']}"
        await world.http.patch(url, json={"enabled": False})
        assert (await world.feedback(request_id)).json()["accepted"] is True


@pytest.mark.parametrize(
    "reward",
    ["NaN", "Infinity", "-Infinity", "1e999", "true", "false", '"1"', '"NaN"', "null", "[1]", "{}"],
)
async def test_what_is_no_finite_number_is_422(reward: str) -> None:
    async with open_world() as world:
        experiment = await world.experiment("RandomPolicy")
        request_id = await selected(world, experiment)
        body = f'{{"request_id": "{request_id}", "reward": {reward}}}'
        answer = await world.http.post(FEEDBACK, content=body.encode())
        assert answer.status_code == 422, answer.text
        assert await world.events(experiment["id"]) == []


@pytest.mark.parametrize(
    ("policy", "reward", "status"),
    [
        ("BetaTSPolicy", 1.5, 422),
        ("BetaTSPolicy", -0.001, 422),
        ("BetaTSPolicy", 0.5, 201),
        ("BetaTSPolicy", 1, 201),
        ("RandomPolicy", -1e100, 201),
        ("RandomPolicy", -1e300, 422),
        ("RandomPolicy", 1.7e308, 422),
    ],
)
async def test_a_reward_that_the_policy_cannot_learn_from_is_422(
    policy: str, reward: float, status: int
) -> None:
    async with open_world() as world:
        experiment = await world.experiment(policy)
        answer = await world.feedback(await selected(world, experiment), reward)
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize("feedback_id", ["x" * 129, "\x00", "line\nbreak", 7, None])
async def test_a_feedback_id_that_no_ledger_can_hold_is_422(feedback_id: Any) -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        request_id = await selected(world, experiment)
        answer = await world.feedback(request_id, feedback_id=feedback_id)
        assert answer.status_code == 422


async def test_an_unknown_key_is_422_naming_it() -> None:
    async with open_world() as world:
        answer = await world.feedback("x", value=1)
        assert answer.status_code == 422
        assert "value" in answer.json()["detail"]


async def test_feedback_needs_its_scope() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        body = {"request_id": await selected(world, experiment), "reward": 1}
        viewer = {"X-API-Key": await world.key(role="viewer")}
        answer = await world.http.post(FEEDBACK, json=body, headers=viewer)
        assert answer.status_code == 403
        assert answer.json()["code"] == "INSUFFICIENT_SCOPES"
        assert "agent:write" in answer.json()["detail"]


async def test_duplicates_that_come_together_may_both_be_stored_but_never_lost() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        request_id = await selected(world, experiment)
        answers = await asyncio.gather(*(world.feedback(request_id) for _ in range(10)))
        assert {answer.status_code for answer in answers} == {201}
        assert len(await world.events(experiment["id"])) >= 1


async def test_a_declared_range_says_which_rewards_are_taken() -> None:
    async with open_world() as world:
        pool = await world.pool(name="pool")
        body = {
            "name": "revenue",
            "pool_id": pool["id"],
            "policy": "BetaTSPolicy",
            "learning": {"reward_range": [0, 250.0]},
        }
        made = await world.http.post("/api/v1/experiments", json=body)
        assert made.status_code == 201, made.text
        assert made.json()["learning"]["reward_range"] == [0.0, 250.0]
        request_id = await selected(world, made.json())
        assert (await world.feedback(request_id, 99.5)).status_code == 201
        (event,) = await world.events(made.json()["id"])
        assert event.reward == 99.5
        refused = await world.feedback(await selected(world, made.json()), 251.0)
        assert refused.status_code == 422
        assert "251.0, outside the declared reward_range [0.0, 250.0]" in refused.json()["detail"]


@pytest.mark.parametrize("ends", [[1.0], [2.0, 1.0], [0, 0], "0-1", [0, 1, 2], [0, True]])
async def test_a_range_that_is_none_is_refused(ends: Any) -> None:
    async with open_world() as world:
        pool = await world.pool(name="pool")
        body = {"name": "x", "pool_id": pool["id"], "policy": "BetaTSPolicy"}
        body["learning"] = {"reward_range": ends}
        answer = await world.http.post("/api/v1/experiments", json=body)
        assert answer.status_code == 422
        assert "reward_range" in answer.text


async def test_learning_that_a_patch_leaves_out_stays() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        path = f"/api/v1/experiments/{experiment['id']}"
        for change in ({"reward_range": [0, 5]}, {"exploration_floor": 0.25}):
            assert (await world.http.patch(path, json={"learning": change})).status_code == 200
        learning = (await world.http.get(path)).json()["learning"]
        assert (learning["reward_range"], learning["exploration_floor"]) == ([0.0, 5.0], 0.25)
