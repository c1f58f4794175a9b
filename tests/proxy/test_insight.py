"""The insight routes over decisions and rewards that really happened."""

from __future__ import annotations

from typing import Any

import pytest

from tests.proxy.world import World, learning, open_world


async def _lived(world: World, cortex: Any) -> dict[str, Any]:
    """Six decisions for three users, rewards 1, 0.5 and 0 for the first three; two by a gate."""
    experiment = await world.experiment()
    requests = []
    for number in range(4):
        body = {"experiment_id": experiment["id"], "context": {"id": f"user-{number % 3}"}}
        answer = (await world.http.post("/api/v1/agent/select", json=body)).json()
        requests.append(answer["request_id"])
    for request_id, reward in zip(requests, (1.0, 0.5, 0.0), strict=False):
        await world.feedback(request_id, reward)
    closed = {"rollout_percentage": 0}
    await world.http.post(f"/api/v1/gates/{experiment['id']}", json=closed)
    await world.select(experiment["id"])
    path = f"/api/v1/experiments/{experiment['id']}"
    await world.http.patch(path, json={"enabled": False})
    await world.select(experiment["id"])
    await world.gateway.decisions.flush()
    await cortex.drain()
    return experiment


async def test_what_happened_is_told() -> None:
    async with open_world() as world, learning(world) as cortex:
        experiment = await _lived(world, cortex)

        async def told(tail: str = "", **query: Any) -> Any:
            path = f"/api/v1/insight/experiment/{experiment['id']}{tail}"
            answer = await world.http.get(path, params=query)
            assert answer.status_code == 200, answer.text
            return answer.json()

        totals = await told()
        assert (totals["total_selections"], totals["default_selections"]) == (6, 2)
        assert (totals["unique_contexts"], totals["total_feedback"]) == (3, 3)
        assert totals["avg_reward"] == pytest.approx(0.5)
        assert (totals["min_reward"], totals["max_reward"]) == (0.0, 1.0)
        assert totals["first_selection_ms"] <= totals["last_selection_ms"]
        arms = (await told("/arms"))["arms"]
        assert [(arm["arm_index"], arm["arm_name"]) for arm in arms] == [
            (0, "a"),
            (1, "b"),
            (2, "c"),
        ]
        assert sum(arm["selections"] for arm in arms) == 6
        assert sum(arm["feedback_count"] for arm in arms) == 3
        funnel = await told("/funnel")
        assert (funnel["total_selections"], funnel["feedback_rate"]) == (6, 0.5)
        series = await told("/timeseries", interval_ms=60_000)
        assert series["interval_ms"] == 60_000
        assert sum(one["selections"] for one in series["data"]) == 6
        assert sum(one["default_selections"] for one in series["data"]) == 2
        rewards = (await told("/timeseries/rewards"))["data"]
        assert sum(one["feedback_count"] for one in rewards) == 3
        by_arm = (await told("/timeseries/arms"))["data"]
        assert sum(arm["selections"] for one in by_arm for arm in one["arms"]) == 6
        assert (await told("/cumulative"))["data"][-1]["cumulative_reward"] == pytest.approx(1.5)
        assert (await told("/cumulative"))["data"][-1]["cumulative_count"] == 3
        later = totals["last_selection_ms"] + 1
        empty = await told(start_ms=later)
        assert (empty["total_selections"], empty["avg_reward"]) == (0, None)
        assert (empty["first_selection_ms"], empty["min_reward"]) == (None, None)


@pytest.mark.parametrize(
    "query",
    [{"start_ms": -1}, {"start_ms": 5, "end_ms": 4}, {"interval_ms": 0}, {"start_ms": "noon"}],
)
async def test_a_span_that_is_none_is_refused(query: dict[str, Any]) -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        path = f"/api/v1/insight/experiment/{experiment['id']}/timeseries"
        assert (await world.http.get(path, params=query)).status_code == 422


@pytest.mark.parametrize(
    "tail",
    [
        "",
        "/arms",
        "/timeseries",
        "/timeseries/rewards",
        "/timeseries/arms",
        "/funnel",
        "/cumulative",
    ],
)
async def test_a_stranger_learns_nothing(tail: str) -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        path = f"/api/v1/insight/experiment/{experiment['id']}{tail}"
        answer = await world.http.get(path, headers=await world.stranger())
        assert (answer.status_code, answer.json()["code"]) == (404, "EXPERIMENT_NOT_FOUND")
