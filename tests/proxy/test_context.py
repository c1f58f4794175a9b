"""Contexts on the wire: vectors, properties and the schema between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qbrix.context import ContextSchema
from tests.proxy.world import World, open_world

SCHEMA: list[dict[str, Any]] = [
    {"type": "categorical", "name": "device", "values": ["phone", "desktop"]},
    {"type": "numeric", "name": "age", "min": 20, "max": 60},
    {"type": "boolean", "name": "returning"},
]


async def _logged(world: World, experiment: dict[str, Any], **context: Any) -> list[float]:
    answer = await world.select(experiment["id"], **context)
    assert answer.status_code == 200, answer.text
    request_id = answer.json()["request_id"]
    token = world.gateway.agent.sealer.open(request_id, tenant=world.tenant)
    return list(np.frombuffer(token.context, dtype="<f8"))


async def test_properties_are_encoded_as_in_a_notebook() -> None:
    async with open_world() as world:
        experiment = await world.experiment("LinUCBPolicy", context_schema=SCHEMA)
        assert experiment["policy_params"]["dim"] == 6
        assert experiment["policy_params"]["context_schema"] == SCHEMA
        properties = {"device": "tv", "age": 30, "returning": True}
        logged = await _logged(world, experiment, properties=properties)
        assert logged == [1.0, 0.0, 0.0, 1.0, 0.25, 1.0]
        assert logged == ContextSchema.of(SCHEMA).encode(properties)


@pytest.mark.parametrize("context", [{}, {"properties": {}}, {"properties": None}, {"vector": []}])
async def test_no_properties_are_all_missing(context: dict[str, Any]) -> None:
    async with open_world() as world:
        experiment = await world.experiment("LinUCBPolicy", context_schema=SCHEMA)
        assert await _logged(world, experiment, **context) == [1.0, 0.0, 0.0, 1.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("params", "context", "code", "told"),
    [
        ({"context_schema": SCHEMA}, {"vector": [1.0] * 6}, "VECTOR", "device, age, returning"),
        (
            {"context_schema": SCHEMA},
            {"properties": {"device": "tv"}, "vector": [1.0]},
            "VECTOR",
            "takes no vector",
        ),
        ({"context_schema": SCHEMA}, {"properties": {"age": "30"}}, "PROPERTIES", "a number"),
        ({"context_schema": SCHEMA}, {"properties": {"sex": "f"}}, "PROPERTIES", "not declared"),
        ({"dim": 2}, {"properties": {}}, "PROPERTIES", "context.vector with 2 numbers"),
        ({"dim": 2}, {"vector": [1.0]}, "VECTOR", "has 1 numbers, the experiment needs 2"),
        ({"dim": 2}, {}, "VECTOR", "has 0 numbers, the experiment needs 2"),
        ({"dim": 2}, {"vector": [1.0, 1e155]}, "VECTOR", "beyond ±1e+100"),
    ],
)
async def test_a_context_that_does_not_fit_is_refused(
    params: dict[str, Any], context: dict[str, Any], code: str, told: str
) -> None:
    async with open_world() as world:
        experiment = await world.experiment("LinUCBPolicy", **params)
        answer = await world.select(experiment["id"], **context)
        assert answer.status_code == 400
        assert answer.json()["code"] == f"INVALID_CONTEXT_{code}"
        assert told in answer.json()["detail"]


@pytest.mark.parametrize(
    "params",
    [
        {"context_schema": SCHEMA, "dim": 6},
        {"context_schema": []},
        {"context_schema": [{"type": "text", "name": "x"}]},
        {"context_schema": [{**SCHEMA[0], "values": [str(n) for n in range(99)]}]},
        {"dim": 0},
        {"dim": 2.0},
        {"dim": True},
        {"dim": 1025},
        {},
    ],
)
async def test_a_shape_that_is_none_is_refused(params: dict[str, Any]) -> None:
    async with open_world() as world:
        pool = await world.pool(name="pool")
        body = {
            "name": "x",
            "pool_id": pool["id"],
            "policy": "LinUCBPolicy",
            "policy_params": params,
        }
        answer = await world.http.post("/api/v1/experiments", json=body)
        assert answer.status_code == 400
        assert answer.json()["code"] == "INVALID_POLICY_PARAMS"


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"alpha": 0.5}, 200, None),
        ({"alpha": 0.5, "dim": 6, "context_schema": SCHEMA}, 200, None),
        ({"context_schema": SCHEMA[:2]}, 409, "CONTEXT_SCHEMA_IMMUTABLE"),
        ({"context_schema": None}, 409, "CONTEXT_SCHEMA_IMMUTABLE"),
        ({"dim": 5}, 409, "CONTEXT_DIM_IMMUTABLE"),
    ],
)
async def test_the_shape_is_for_life(params: dict[str, Any], status: int, code: str | None) -> None:
    async with open_world() as world:
        experiment = await world.experiment("LinUCBPolicy", context_schema=SCHEMA)
        path = f"/api/v1/experiments/{experiment['id']}"
        answer = await world.http.patch(path, json={"policy_params": params})
        assert (answer.status_code, answer.json().get("code")) == (status, code)
        kept = (await world.http.get(path)).json()["policy_params"]
        assert (kept["dim"], kept["context_schema"]) == (6, SCHEMA)


async def test_a_policy_without_context_ignores_both() -> None:
    async with open_world() as world:
        experiment = await world.experiment("BetaTSPolicy")
        assert await _logged(world, experiment, vector=[1.0, 2.0]) == []
        assert await _logged(world, experiment, properties={"any": "thing"}) == []
