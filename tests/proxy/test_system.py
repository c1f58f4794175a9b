"""Routes about the server itself."""

from __future__ import annotations

import pytest

from tests.proxy.outage import AWAY, switch, switched_stores
from tests.proxy.world import hold_decisions, open_world


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ("/health", "status", "healthy"),
        ("/api/health", "status", "healthy"),
        ("/info", "name", "qbrix"),
        ("/livez", "status", "alive"),
        ("/readyz", "status", "ready"),
    ],
)
async def test_public_routes_need_no_credential(path: str, key: str, value: str) -> None:
    async with open_world() as world:
        del world.http.headers["X-API-Key"]
        answer = await world.http.get(path)
        assert answer.status_code == 200
        assert answer.json()[key] == value


async def test_a_draining_proxy_is_not_ready_answers_on_and_asks_to_close() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        world.gateway.drain()
        assert (await world.http.get("/readyz")).status_code == 503
        assert (await world.http.get("/livez")).status_code == 200
        answer = await world.select(experiment["id"])
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"


async def test_policies_are_listed_with_what_they_learn_from() -> None:
    async with open_world() as world:
        listed = (await world.http.get("/api/v1/policies")).json()["policies"]
        by_name = {policy["name"]: policy for policy in listed}
        beta = by_name["BetaTSPolicy"]
        assert beta["category"] == "stochastic"
        assert beta["reward_types"] == ["binary", "bounded"]
        assert beta["user_params"][0] == {
            "name": "alpha_prior",
            "type": "number",
            "required": False,
            "default": 1.0,
            "description": beta["user_params"][0]["description"],
            "constraints": {"gt": 0.0},
        }
        assert by_name["LinTSPolicy"]["user_params"][0]["name"] == "dim"
        assert by_name["LinTSPolicy"]["user_params"][0]["type"] == "integer"
        assert {item["name"] for item in by_name["EpsilonPolicy"]["user_params"]} >= {
            "eps",
            "gamma",
        }


@pytest.mark.parametrize(
    ("reward_type", "listed"), [("binary", True), ("bounded", True), ("continuous", False)]
)
async def test_policies_are_filtered_by_reward_type(reward_type: str, listed: bool) -> None:
    async with open_world() as world:
        answer = await world.http.get("/api/v1/policies", params={"reward_type": reward_type})
        names = {policy["name"] for policy in answer.json()["policies"]}
        assert ("BetaTSPolicy" in names) is listed
        assert "RandomPolicy" in names


async def test_an_unknown_reward_type_is_422() -> None:
    async with open_world() as world:
        answer = await world.http.get("/api/v1/policies", params={"reward_type": "huge"})
        assert answer.status_code == 422


async def test_the_parts_of_the_server_tell_their_health() -> None:
    async with open_world() as world:
        for part, service in (("redis", "redis"), ("motor", "motorsvc"), ("cortex", "cortexsvc")):
            answer = await world.http.get(f"/api/v1/runtime/{part}/health")
            assert answer.json() == {"service": service, "status": "healthy"}
        await world.motor.stop()
        answer = await world.http.get("/api/v1/runtime/motor/health")
        assert answer.json()["status"] == "unhealthy"
        assert (await world.http.get("/api/v1/runtime/postgres/health")).status_code == 422


async def test_the_size_of_the_stream_is_what_waits_to_be_learned() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        assert (await world.http.get("/api/v1/runtime/redis/stream/size")).json() == {"len": 0}
        answer = (await world.select(experiment["id"])).json()
        await world.feedback(answer["request_id"])
        assert (await world.http.get("/api/v1/runtime/redis/stream/size")).json() == {"len": 1}


async def test_metrics_count_what_was_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    hold_decisions(monkeypatch)
    async with open_world() as world:
        experiment = await world.experiment()
        for _ in range(2):
            await world.select(experiment["id"])
        answer = (await world.select(experiment["id"])).json()
        await world.feedback(answer["request_id"])
        await world.feedback(answer["request_id"])
        await world.feedback("x")
        text = (await world.http.get("/metrics")).text
        for line in (
            'qbrix_requests_total{route="/api/v1/agent/select",status="200"} 3.0',
            'qbrix_requests_total{route="/api/v1/agent/feedback",status="400"} 1.0',
            'qbrix_decisions_total{source="policy"} 3.0',
            'qbrix_feedback_total{result="accepted"} 1.0',
            'qbrix_feedback_total{result="duplicate"} 1.0',
            "qbrix_select_seconds_count 3.0",
            "qbrix_intake_group_events_sum 1.0",
            "qbrix_decisions_waiting 3.0",
        ):
            assert line in text.splitlines()


async def test_the_document_lists_every_route_also_the_hot_ones() -> None:
    async with open_world() as world:
        document = (await world.http.get("/openapi.json")).json()
        select = document["paths"]["/api/v1/agent/select"]["post"]
        schema = select["requestBody"]["content"]["application/json"]["schema"]
        name = schema["$ref"].rpartition("/")[2]
        assert "experiment_id" in document["components"]["schemas"][name]["properties"]
        assert "/api/v1/agent/feedback" in document["paths"]
        assert "/api/v1/experiments/{experiment_id}/promote" in document["paths"]


async def test_what_does_not_exist_is_told_in_the_form_of_all_errors() -> None:
    async with open_world() as world:
        missing = await world.http.get("/nothing/here")
        assert (missing.status_code, missing.json()["code"]) == (404, "NOT_FOUND")
        wrong = await world.http.put("/api/v1/pools", json={})
        assert (wrong.status_code, wrong.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert wrong.headers["Allow"] == "GET, POST"
        key = await world.http.get("/api/auth/api-keys/x")
        assert (key.status_code, key.headers["Allow"]) == (405, "DELETE, PATCH")


async def test_a_bug_is_500_without_a_word_about_it() -> None:
    async with open_world(switched_stores(), durability="always") as world:
        experiment = await world.experiment()
        request_id = (await world.select(experiment["id"])).json()["request_id"]
        switch(world.stores, failure=ValueError("secret"))
        answers = [await world.feedback(request_id), await world.http.get("/api/v1/pools")]
        switch(world.stores, failure=None)
    for answer in answers:
        assert answer.status_code == 500
        assert answer.json()["code"] == "INTERNAL"
        assert "secret" not in answer.text


async def test_a_get_with_a_content_type_and_a_post_of_no_length_are_no_errors() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        headers = {"Content-Type": "application/json"}
        assert (await world.http.get("/api/v1/pools", headers=headers)).status_code == 200
        url = f"/api/v1/experiments/{experiment['id']}"
        answer = await world.http.post(
            f"{url}/reset", headers={**headers, "Content-Length": "0"}, content=b""
        )
        assert answer.status_code == 409
        assert (await world.http.delete(url, headers=headers)).status_code == 200


async def test_readiness_tells_the_age_of_what_is_in_memory() -> None:
    async with open_world() as world:
        before = (await world.http.get("/readyz")).json()
        nothing = {"known": 0, "youngest_s": None, "oldest_s": None}
        assert before["states"] == nothing
        made = await world.experiment()
        await world.select(made["id"])
        told = (await world.http.get("/readyz")).json()
    assert told["status"] == "ready"
    assert told["states"]["known"] == told["records"]["known"] == 1
    assert told["credentials"]["known"] == 1
    for part in ("states", "records", "credentials"):
        assert 0 <= told[part]["youngest_s"] <= told[part]["oldest_s"] < 60
    assert {"redis", "postgres", "motor"} == set(told["answered_s"])
    assert all(0 <= age_s < 60 for age_s in told["answered_s"].values())


async def test_what_anybody_may_read_names_no_experiment() -> None:
    async with open_world() as world:
        world.gateway.metrics.include(world.motor.metrics)
        made = await world.experiment()
        await world.select(made["id"])
        assert "qbrix_motor_states 1.0" in (await world.bare.get("/metrics")).text
        for path in ("/metrics", "/readyz"):
            assert made["id"] not in (await world.bare.get(path)).text
        assert made["id"] in world.gateway.metrics.expose().decode()


async def test_a_proxy_is_ready_without_stores_while_it_has_a_state_to_serve() -> None:
    async with open_world(switched_stores()) as world:
        made = await world.experiment()
        await world.select(made["id"])
        switch(world.stores, failure=AWAY)
        await world.gateway.vitals.pulses.look()
        assert (await world.http.get("/readyz")).status_code == 200
        assert (await world.select(made["id"])).status_code == 200


async def test_a_proxy_without_a_state_is_not_ready_while_no_store_answers() -> None:
    async with open_world(switched_stores()) as world:
        switch(world.stores, failure=AWAY)
        await world.gateway.vitals.pulses.look()
        answer = await world.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["code"] == "SERVICE_UNAVAILABLE"
    assert answer.json()["context"]["states"]["known"] == 0
