"""POST /api/v1/agent/select, as the contract has it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.proxy.world import World, open_world

SELECT = "/api/v1/agent/select"


async def opened(answer: dict[str, Any], world: World) -> Any:
    return world.gateway.agent.sealer.open(answer["request_id"], tenant=world.tenant)


async def test_the_arm_follows_from_the_logged_draw() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        for _ in range(50):
            answer = (await world.select(experiment["id"])).json()
            token = await opened(answer, world)
            assert token.low <= token.u < token.low + token.propensity
            assert token.arm == answer["arm"]["index"]
            assert token.propensity == answer["propensity"]


async def test_the_arm_is_shown_as_in_its_pool() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        answer = (await world.select(experiment["id"])).json()
        arm = experiment["pool"]["arms"][answer["arm"]["index"]]
        assert answer["arm"] == {key: arm[key] for key in ("id", "name", "index")}


async def test_the_same_decision_id_gets_the_same_arm_and_different_ones_do_not_always() -> None:
    async with open_world() as world:
        experiment = await world.experiment("RandomPolicy")
        arms = []
        for number in range(40):  # all 40 equal with probability 3 * 3^-40 < 1e-18
            body = {
                "experiment_id": experiment["id"],
                "context": {"id": "u"},
                "decision_id": f"{number:032x}",
            }
            first, second = [(await world.http.post(SELECT, json=body)).json() for _ in range(2)]
            assert first["arm"] == second["arm"]
            arms.append(first["arm"]["index"])
        assert len(set(arms)) == 3


async def test_a_context_reaches_the_policy_and_the_token_as_float64() -> None:
    async with open_world() as world:
        experiment = await world.experiment("LinUCBPolicy", dim=2)
        answer = await world.select(experiment["id"], vector=[0.1, 3])
        assert answer.status_code == 200
        token = await opened(answer.json(), world)
        assert token.context.hex() == "9a9999999999b93f" + "0000000000000840"


@pytest.mark.parametrize("vector", [[], [1.0], [1.0, 2.0, 3.0], None])
async def test_a_context_of_another_width_is_refused_naming_both(vector: Any) -> None:
    async with open_world() as world:
        experiment = await world.experiment("LinTSPolicy", dim=2)
        answer = await world.select(experiment["id"], vector=vector)
        assert answer.status_code == 400
        assert answer.json()["code"] == "INVALID_CONTEXT_VECTOR"
        assert f"has {len(vector or [])} numbers" in answer.json()["detail"]
        assert "needs 2" in answer.json()["detail"]


async def test_properties_without_a_schema_are_refused() -> None:
    async with open_world() as world:
        experiment = await world.experiment("LinTSPolicy", dim=2)
        for more in ({}, {"vector": [1.0, 2.0]}):
            answer = await world.select(experiment["id"], properties={"age": 3}, **more)
            assert answer.status_code == 400
            assert answer.json()["code"] == "INVALID_CONTEXT_PROPERTIES"


async def test_a_policy_without_context_ignores_vector_and_properties() -> None:
    async with open_world() as world:
        experiment = await world.experiment("BetaTSPolicy")
        answer = await world.select(experiment["id"], vector=[1.0], properties={"age": 3})
        assert answer.status_code == 200
        assert (await opened(answer.json(), world)).context == b""


async def test_an_unknown_experiment_is_404() -> None:
    async with open_world() as world:
        for experiment in ("0" * 32, "nonsense", "", "A" * 32):
            answer = await world.select(experiment)
            assert answer.status_code == 404
            assert answer.json()["code"] == "EXPERIMENT_NOT_FOUND"


async def test_an_experiment_of_another_workspace_is_404() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        body = {"experiment_id": experiment["id"], "context": {"id": "u"}}
        stranger = await world.stranger()
        answer = await world.http.post(SELECT, json=body, headers=stranger)
        assert answer.status_code == 404


async def test_a_paused_experiment_answers_its_control_arm_without_a_token() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        url = f"/api/v1/experiments/{experiment['id']}"
        assert (await world.http.patch(url, json={"enabled": False})).status_code == 200
        answer = (await world.select(experiment["id"])).json()
        assert answer["arm"]["index"] == 0
        assert answer["request_id"] is None
        assert answer["is_default"] is True
        assert (await world.http.patch(url, json={"enabled": True})).status_code == 200
        assert (await world.select(experiment["id"])).json()["is_default"] is False


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{",
        '{"experiment_id": "E"}',
        '{"context": {"id": "u"}}',
        '{"experiment_id": "E", "context": {}}',
        '{"experiment_id": "E", "context": {"id": 7}}',
        '{"experiment_id": "E", "context": {"id": null}}',
        '{"experiment_id": "E", "context": {"id": "\\u0000"}}',
        '{"experiment_id": "E", "context": {"id": "u", "vector": [NaN]}}',
        '{"experiment_id": "E", "context": {"id": "u", "vector": [Infinity]}}',
        '{"experiment_id": "E", "context": {"id": "u", "vector": [-Infinity]}}',
        '{"experiment_id": "E", "context": {"id": "u", "vector": [1e999]}}',
        '{"experiment_id": "E", "context": {"id": "u", "vector": ["1"]}}',
        '{"experiment_id": "E", "context": {"id": "u", "vector": ["NaN"]}}',
        '{"experiment_id": "E", "context": {"id": "u", "vector": [true]}}',
        '{"experiment_id": "E", "context": {"id": "u", "vector": [null]}}',
        '{"experiment_id": "E", "context": {"id": "u", "vector": 1}}',
        '{"experiment_id": "E", "context": {"id": "u"}, "decision_id": "xyz"}',
        '{"experiment_id": "E", "context": {"id": "u"}, "decision_id": 7}',
        '{"experiment_id": "E", "context": {"id": "u", "metadata": [1]}}',
    ],
)
async def test_what_is_no_proper_body_is_422(body: str) -> None:
    async with open_world() as world:
        experiment = await world.experiment("LinUCBPolicy", dim=1)
        text = body.replace('"E"', f'"{experiment["id"]}"')
        answer = await world.http.post(SELECT, content=text.encode())
        assert answer.status_code == 422, answer.text
        assert answer.json()["code"] == "VALIDATION_ERROR"


async def test_invalid_utf_8_and_endless_nesting_are_422() -> None:
    async with open_world() as world:
        nested = b'{"experiment_id": "E", "context": {"id": "u", "metadata": {"a": %s}}}'
        for body in (b'{"experiment_id": "\xff"}', nested % (b"[" * 50_000 + b"]" * 50_000)):
            assert (await world.http.post(SELECT, content=body)).status_code == 422


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"experiment_id": "E", "context": {"id": "u"}, "experimentId": 1}, "experimentId"),
        ({"experiment_id": "E", "context": {"id": "u", "vektor": [1]}}, "vektor"),
    ],
)
async def test_an_unknown_key_is_422_naming_it(body: dict[str, Any], key: str) -> None:
    async with open_world() as world:
        answer = await world.http.post(SELECT, json=body)
        assert answer.status_code == 422
        assert key in answer.json()["detail"]


async def test_null_means_absent_where_a_client_may_send_it() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        absent = {"properties": None, "metadata": None, "vector": None}
        assert (await world.select(experiment["id"], **absent)).status_code == 200


async def test_an_empty_context_id_is_a_context_id() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        body = {"experiment_id": experiment["id"], "context": {"id": ""}}
        assert (await world.http.post(SELECT, json=body)).status_code == 200


async def test_a_body_beyond_the_limit_is_413() -> None:
    async with open_world(body_limit_bytes=2000) as world:
        experiment = await world.experiment()
        answer = await world.select(experiment["id"], metadata={"x": "y" * 2000})
        assert answer.status_code == 413
        assert answer.json()["code"] == "PAYLOAD_TOO_LARGE"


async def test_any_origin_may_ask_and_reads_retry_after() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        asked = {
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-api-key",
        }
        allowed = await world.http.options(SELECT, headers=asked)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "*"
        assert "POST" in allowed.headers["access-control-allow-methods"]
        assert allowed.headers["access-control-allow-headers"] == "content-type,x-api-key"
        for one in (experiment["id"], "0" * 32):
            body = {"experiment_id": one, "context": {"id": "u"}}
            answer = await world.http.post(SELECT, json=body, headers={"Origin": "https://x"})
            assert answer.headers["access-control-allow-origin"] == "*"
            assert answer.headers["access-control-expose-headers"] == "Retry-After"
            assert "access-control-allow-credentials" not in answer.headers


async def test_another_method_is_405() -> None:
    async with open_world() as world:
        answer = await world.http.get(SELECT)
        assert answer.status_code == 405
        assert answer.json()["code"] == "METHOD_NOT_ALLOWED"


async def test_every_decision_is_logged_with_a_number() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        answers = [(await world.select(experiment["id"])).json() for _ in range(5)]
        assert await world.gateway.decisions.flush()
        record = await world.stores.ledger.experiment(experiment["id"])
        assert record is not None
        read = await world.stores.intake.read_decisions(
            record.shard, after="0", limit=100, block_ms=0
        )
        assert [event.number for event in read.events] == [1, 2, 3, 4, 5]
        assert {event.proxy for event in read.events} == {
            f"{world.gateway.decisions.proxy}.{record.shard}"
        }
        for event, answer in zip(read.events, answers, strict=True):
            assert event.decision_id == (await opened(answer, world)).decision_id
            assert (event.context_id, event.source) == ("user-1", "policy")


async def test_a_decision_id_is_a_uuid_of_version_7_in_order_of_time() -> None:
    from uuid import UUID

    async with open_world() as world:
        experiment = await world.experiment()
        ids = []
        for _ in range(3):
            answer: httpx.Response = await world.select(experiment["id"])
            ids.append((await opened(answer.json(), world)).decision_id)
        for made in map(UUID, ids):
            assert made.version == 7
            assert made.variant == "specified in RFC 4122"
        assert [made[:12] for made in ids] == sorted(made[:12] for made in ids)
