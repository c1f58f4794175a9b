"""``auto``: a portfolio for the rewards, and what travels between decision and reward."""

from __future__ import annotations

from typing import Any

import pytest

from tests.proxy.world import World, learning, open_world
from tests.waiting import PATIENCE_S


async def _create(world: World, policy: str, **params: Any) -> Any:
    pool = await world.pool(name=f"pool of {policy} {params}")
    body = {"name": "auto", "pool_id": pool["id"], "policy": policy, "policy_params": params}
    return await world.http.post("/api/v1/experiments", json=body)


@pytest.mark.parametrize("policy", ["auto", "", "MetaBanditPolicy"])
async def test_auto_is_answered_as_a_portfolio(policy: str) -> None:
    async with open_world() as world:
        made = (await _create(world, policy, reward_type="binary")).json()
        assert made["policy"] == "MetaBanditPolicy"
        assert made["policy_params"]["reward_type"] == "binary"
        learners = made["policy_params"]["learners"]
        assert len(learners) > 1
        assert all(isinstance(learner, str) for learner in learners)
        answer = (await world.select(made["id"])).json()
        assert answer["is_default"] is False


async def test_it_learns_from_what_the_learners_said_at_the_decision() -> None:
    async with open_world(control_wait_s=PATIENCE_S) as world, learning(world) as cortex:
        made = (await _create(world, "auto", reward_type="binary")).json()
        best = made["pool"]["arms"][2]["id"]
        for _ in range(40):
            answer = (await world.select(made["id"])).json()
            await world.feedback(answer["request_id"], float(answer["arm"]["id"] == best))
        await cortex.drain()
        state = (await world.http.get(f"/api/v1/experiments/{made['id']}/state")).json()
        assert state["propensities"][2] > 0.5
        (_, learned, *_) = await world.stores.ledger.batches(made["id"], after=-1, limit=9)
        assert learned.batch.rows is not None
        assert learned.batch.rows.recorded is not None
        assert learned.batch.rows.recorded.shape[1] == 2 * len(made["policy_params"]["learners"])


async def test_with_a_context_it_takes_vectors_or_properties() -> None:
    async with open_world() as world:
        schema = [{"type": "boolean", "name": "returning"}]
        made = await _create(world, "auto", use_context=True, context_schema=schema)
        assert made.status_code == 201, made.text
        assert made.json()["policy_params"]["dim"] == 2
        answer = await world.select(made.json()["id"], properties={"returning": True})
        assert answer.status_code == 200, answer.text
        missing = await _create(world, "auto", use_context=True)
        assert missing.status_code == 400
        assert "context_schema" in missing.json()["detail"]


async def test_a_change_keeps_the_portfolio_and_another_one_needs_a_new_experiment() -> None:
    async with open_world() as world:
        made = (await _create(world, "auto", reward_type="binary")).json()
        path = f"/api/v1/experiments/{made['id']}"
        changed = await world.http.patch(path, json={"policy_params": {"gamma": 0.1}})
        assert changed.status_code == 200, changed.text
        assert changed.json()["policy_params"] == {**made["policy_params"], "gamma": 0.1}
        same = await world.http.patch(path, json={"policy_params": made["policy_params"]})
        assert same.status_code == 200, same.text
        other = await world.http.patch(path, json={"policy_params": {"learners": ["RandomPolicy"]}})
        assert (other.status_code, other.json()["code"]) == (409, "STRUCTURAL_PARAM")


@pytest.mark.parametrize(
    "params",
    [{"reward_type": "any"}, {"learners": [1]}, {"learners": ["Nobody"]}, {"use_context": 1}],
)
async def test_a_portfolio_that_cannot_be_is_400(params: dict[str, Any]) -> None:
    async with open_world() as world:
        answer = await _create(world, "auto", **params)
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_POLICY_PARAMS")
