"""Section 3 of the public API: select and feedback, on both transports."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from serving.stack import Stack
from serving.tokens import TokenSealer
from tests.conformance.clients import Client, Refused, refused
from tests.conformance.making import NOBODY, new_experiment, new_pool
from tests.conformance.people import Headers
from tests.conformance.rest import Rest
from tests.waiting import until

V1 = "/api/v1"
AGENT = f"{V1}/agent"


def test_a_select_names_an_arm_and_a_feedback_takes_its_reward(client: Client) -> None:
    made = new_experiment(client)
    decision = client.select(made["id"])
    assert {"arm", "request_id", "is_default"} <= set(decision)
    arm = decision["arm"]
    pool_arm = made["pool"]["arms"][arm["index"]]
    assert {name: arm[name] for name in ("id", "name", "index")} == {
        name: pool_arm[name] for name in ("id", "name", "index")
    }
    assert decision["is_default"] is False
    assert decision["request_id"]
    assert client.feedback(decision["request_id"], 1.0)["accepted"] is True
    assert client.feedback(decision["request_id"], 1.0)["accepted"] is True


def test_http_tells_propensity_version_and_duplicates(rest: Rest) -> None:
    decision = rest.select(new_experiment(rest)["id"])
    assert set(decision["arm"]) == {"id", "name", "index"}
    assert decision["propensity"] == pytest.approx(1 / 3, abs=1e-9)  # three equal posteriors
    assert decision["state_version"] == 0
    assert rest.feedback(decision["request_id"], 1.0) == {"accepted": True, "duplicate": False}
    assert rest.feedback(decision["request_id"], 0.0) == {"accepted": True, "duplicate": True}


def test_a_feedback_id_names_one_of_several_rewards(rest: Rest) -> None:
    request_id = rest.select(new_experiment(rest)["id"])["request_id"]
    body = {"request_id": request_id, "reward": 1.0}
    for feedback_id, duplicate in (("a", False), ("b", False), ("a", True)):
        said = rest.ask("POST", f"{AGENT}/feedback", {**body, "feedback_id": feedback_id})
        assert said == {"accepted": True, "duplicate": duplicate}


def test_an_empty_request_id_is_answered_and_not_accepted(client: Client) -> None:
    assert client.feedback("", 1.0)["accepted"] is False


def test_the_same_decision_id_gets_the_same_arm(rest: Rest) -> None:
    experiment = new_experiment(rest)["id"]
    body = {"experiment_id": experiment, "context": {"id": "u"}}

    def arm(decision_id: str) -> int:
        said = rest.ask("POST", f"{AGENT}/select", {**body, "decision_id": decision_id})
        return int(said["arm"]["index"])

    ids = [f"{n:032x}" for n in range(45)]
    chosen = [arm(one) for one in ids]
    assert set(chosen) == {0, 1, 2}  # 3 (2/3)^45 < 1e-7: the key of a stack is random
    assert [arm(one) for one in ids] == chosen
    for wrong in ("A" * 32, "0" * 31, "", 7):
        with refused(422, "VALIDATION_ERROR"):
            rest.ask("POST", f"{AGENT}/select", {**body, "decision_id": wrong})


@pytest.mark.parametrize("id", ["", "user 1", "ü" * 300])
def test_any_text_is_a_context_id(client: Client, id: str) -> None:
    assert client.select(new_experiment(client)["id"], id)["request_id"]


def test_a_paused_experiment_answers_with_its_control_arm_and_trains(client: Client) -> None:
    pool = new_pool(client)
    plain = new_experiment(client, pool_id=pool["id"])
    gated = new_experiment(
        client, pool_id=pool["id"], feature_gate={"default_arm_id": pool["arms"][2]["id"]}
    )
    asked_before = client.select(plain["id"])["request_id"]
    for made, control in ((plain, 0), (gated, 2)):
        client.update_experiment(made["id"], enabled=False)
        decision = client.select(made["id"])
        assert decision["arm"]["index"] == control
        assert decision["request_id"] is None
        assert decision["is_default"] is True
    assert client.feedback(asked_before, 1.0)["accepted"] is True


def test_feedback_while_paused_is_learned(rest: Rest) -> None:
    experiment = new_experiment(rest)["id"]
    request_id = rest.select(experiment)["request_id"]
    rest.update_experiment(experiment, enabled=False)
    rest.feedback(request_id, 1.0)
    url = f"{V1}/experiments/{experiment}/state"
    until(lambda: rest.ask("GET", url)["version"] >= 1)


def test_a_request_id_that_is_none_of_ours_is_refused(
    client: Client, rest: Rest, stack: Stack
) -> None:
    good = client.select(new_experiment(client)["id"])["request_id"]
    middle = len(good) // 2
    turned = good[:middle] + ("A" if good[middle] != "A" else "B") + good[middle + 1 :]
    for forged in ("nonsense", "0" * 64, good[:-8], good + "AAAA", turned):
        with refused(400, "FEEDBACK_FAILED"):
            client.feedback(forged, 1.0)


def test_an_expired_request_id_says_so(client: Client, rest: Rest, stack: Stack) -> None:
    """As it will be in 31 days: sealed with the stack's own key, for nobody else can."""
    key = bytes.fromhex((stack.data_dir / "secrets" / "token.key").read_text("ascii").split()[0])
    sealer, tenant = TokenSealer([key]), rest.ask("GET", "/api/auth/workspace")["id"]
    fresh = sealer.open(
        client.select(new_experiment(client)["id"])["request_id"] or "", tenant=tenant
    )
    assert client.feedback(sealer.seal(fresh), 1.0)["accepted"] is True
    decided_ms = fresh.decided_ms - 31 * 86_400_000
    old = sealer.seal(msgspec.structs.replace(fresh, decided_ms=decided_ms))
    with pytest.raises(Refused) as caught:
        client.feedback(old, 1.0)
    assert caught.value.status == ("DEADLINE_EXCEEDED" if client.grpc else 400)
    assert caught.value.code == "FEEDBACK_FAILED"
    assert "token expired" in caught.value.detail


def test_feedback_for_a_deleted_experiment_is_refused(client: Client) -> None:
    experiment = new_experiment(client)["id"]
    request_id = client.select(experiment)["request_id"]
    client.delete_experiment(experiment)
    with refused(400, "FEEDBACK_FAILED"):
        client.feedback(request_id, 1.0)


@pytest.mark.parametrize(
    ("policy", "params", "good", "bad"),
    [
        ("BetaTSPolicy", {}, (0.0, 0.25, 1.0), (-0.001, 1.001)),
        ("LogisticTSPolicy", {"dim": 1}, (0.0, 1.0), (0.5, -1.0, 2.0)),
        ("GaussianTSPolicy", {}, (-1e6, 0.0, 3.7), ()),
    ],
)
def test_a_reward_lies_in_what_the_policy_learns_from(
    client: Client, policy: str, params: dict[str, Any], good: Any, bad: Any
) -> None:
    experiment = new_experiment(client, policy, policy_params=params)["id"]
    context: dict[str, Any] = {"vector": [1.0]} if params else {}
    for reward in good:
        request_id = client.select(experiment, **context)["request_id"]
        assert client.feedback(request_id, reward)["accepted"] is True
    for reward in (*bad, float("nan"), float("inf")) if client.grpc else bad:
        request_id = client.select(experiment, **context)["request_id"]
        with pytest.raises(Exception, match=r"INVALID_REWARD|VALIDATION_ERROR") as caught:
            client.feedback(request_id, reward)
        assert getattr(caught.value, "status", None) in (422, "INVALID_ARGUMENT")


def test_a_declared_range_is_the_reward_s(rest: Rest) -> None:
    made = new_experiment(rest, learning={"reward_range": [-10, 10]})
    for reward, accepted in ((-10, True), (7.5, True), (10, True), (10.1, False)):
        request_id = rest.select(made["id"])["request_id"]
        if accepted:
            assert rest.feedback(request_id, reward)["accepted"] is True
        else:
            with refused(422, "INVALID_REWARD"):
                rest.feedback(request_id, reward)


@pytest.mark.parametrize(
    "reward", ["true", '"1"', "null", "NaN", "Infinity", "1e999", "1" * 400, "[1]", "{}"]
)
def test_a_reward_is_a_finite_number(rest: Rest, reward: str) -> None:
    request_id = rest.select(new_experiment(rest)["id"])["request_id"]
    body = f'{{"request_id": "{request_id}", "reward": {reward}}}'
    with refused(422, "VALIDATION_ERROR"):
        rest.read(rest.http.post(f"{AGENT}/feedback", content=body))


def test_decisions_and_rewards_come_in_batches(rest: Rest) -> None:
    experiment = new_experiment(rest)["id"]
    contexts = [{"id": f"u{n}"} for n in range(300)]
    body = {"experiment_id": experiment, "contexts": contexts}
    said = rest.ask("POST", f"{AGENT}/select/batch", body)
    assert set(said) == {"decisions"}
    assert len(said["decisions"]) == 300
    assert {"arm", "request_id", "is_default"} <= set(said["decisions"][0])
    items = [{"request_id": one["request_id"], "reward": 1} for one in said["decisions"][:2]]
    items += [{"request_id": "forged", "reward": 1}, items[0]]
    results = rest.ask("POST", f"{AGENT}/feedback/batch", {"items": items})["results"]
    assert [one["accepted"] for one in results] == [True, True, False, True]
    assert "error" not in results[0]
    assert results[2]["error"].startswith("FEEDBACK_FAILED")
    one_too_many = [{"id": "u"}] * 10_001
    with refused(422, "VALIDATION_ERROR"):
        rest.ask("POST", f"{AGENT}/select/batch", {**body, "contexts": one_too_many})
    with refused(404, "EXPERIMENT_NOT_FOUND"):
        rest.ask("POST", f"{AGENT}/select/batch", {**body, "experiment_id": NOBODY})


@pytest.mark.parametrize(
    "body",
    [
        '{"experiment_id": "%s", "context": {"id": "u", "id": "v"}}',
        '{"experiment_id": "%s", "experiment_id": "%s", "context": {"id": "u"}}',
        '{"experiment_id": "%s", "context": {"id": "u", "metadata": {"a": 1, "a": 2}}}',
        '{"experiment_id": "%s", "context": {"id": "u", "properties": {"a": {"b": 1, "b": 2}}}}',
        '{"experiment_id": "%s", "context": {"id": "u:v", "\\u0069d" : "w"}}',
    ],
)
def test_a_key_comes_once_in_a_select(rest: Rest, body: str) -> None:
    experiment = new_experiment(rest)["id"]
    with refused(422, "VALIDATION_ERROR") as caught:
        content = body.replace("%s", experiment)
        rest.read(rest.http.post(f"{AGENT}/select", content=content))
    assert "twice" in caught.value.detail


def test_a_key_comes_once_in_a_feedback_and_in_a_batch(rest: Rest) -> None:
    experiment = new_experiment(rest)["id"]
    request_id = rest.select(experiment)["request_id"]
    item = f'{{"request_id": "{request_id}", "reward": 0, "reward": 1}}'
    context = '{"id": "u"}, {"id": "v", "id": "w"}'
    for path, body in (
        ("feedback", item),
        ("feedback/batch", f'{{"items": [{item}]}}'),
        ("select/batch", f'{{"experiment_id": "{experiment}", "contexts": [{context}]}}'),
    ):
        with refused(422, "VALIDATION_ERROR"):
            rest.read(rest.http.post(f"{AGENT}/{path}", content=body))


def test_a_colon_in_a_text_is_no_key(rest: Rest) -> None:
    metadata = {"url": 'http://x/"a":1', "at": "12:30", "nested": {"a": {"a": None}}}
    experiment = new_experiment(rest)["id"]
    assert rest.select(experiment, "user:1", metadata=metadata, vector=None)["request_id"]


@pytest.mark.parametrize(
    "path", ["select", "feedback", "feedback/retract", "select/batch", "feedback/batch"]
)
def test_any_origin_may_ask_without_credentials(rest: Rest, path: str) -> None:
    origin = {"Origin": "https://shop.example"}
    preflight = rest.http.options(
        f"{AGENT}/{path}",
        headers={
            **origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-api-key",
        },
    )
    assert preflight.status_code in (200, 204)
    assert "POST" in preflight.headers["access-control-allow-methods"]
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert {"content-type", "x-api-key"} <= set(allowed.replace(" ", "").split(","))
    answers = [preflight, rest.http.post(f"{AGENT}/{path}", json={}, headers=origin)]
    unknown = {**origin, "X-API-Key": "optiq_" + "x" * 43}
    answers.append(rest.http.post(f"{AGENT}/{path}", json={}, headers=unknown))
    assert [answer.status_code for answer in answers[1:]] == [422, 401]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        assert "retry-after" in answer.headers["access-control-expose-headers"].lower()


def test_no_other_origin_may_manage(rest: Rest) -> None:
    answer = rest.http.get(f"{V1}/pools", headers={"Origin": "https://shop.example"})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_a_rate_limited_origin_may_read_when_to_come_again(stack: Stack, rest: Rest) -> None:
    key = rest.ask("POST", "/api/auth/api-keys", {"rate_limit_per_minute": 1})["key"]
    headers: Headers = {"X-API-Key": key, "Origin": "https://shop.example"}
    body = {"experiment_id": NOBODY, "context": {"id": "u"}}
    first, second = (
        rest.http.post(f"{AGENT}/select", json=body, headers=headers) for _ in range(2)
    )
    assert (first.status_code, second.status_code) == (404, 429)
    with refused(429, "RATE_LIMITED"):
        rest.read(second)
    assert "retry-after" in second.headers["access-control-expose-headers"].lower()
