"""Experiments, as the contract has them."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from typing import Any

import pytest

from qbrix.ledger import Batch
from serving.storage import codec
from tests.proxy.outage import switched_stores
from tests.proxy.world import World, learning, open_world, settle
from tests.waiting import PATIENCE_S

EXPERIMENTS = "/api/v1/experiments"


async def create(world: World, **changed: Any) -> Any:
    pool = await world.pool(name=f"pool {len(changed)}{changed}"[:100])
    body = {"name": "e", "pool_id": pool["id"], "policy": "BetaTSPolicy", **changed}
    return await world.http.post(EXPERIMENTS, json=body)


async def test_an_experiment_is_answered_with_its_pool_and_all_its_parameters() -> None:
    async with open_world() as world:
        made = (await create(world, policy_params={"alpha_prior": 2})).json()
        assert made["policy"] == "BetaTSPolicy"
        assert made["policy_params"] == {"alpha_prior": 2.0, "beta_prior": 1.0}
        assert made["enabled"] is True
        assert made["pool"]["id"] == made["pool_id"]
        assert made["feature_gate"] is None
        assert made["meta_experiment_id"] is None
        assert (await world.http.get(f"{EXPERIMENTS}/{made['id']}")).json() == made


@pytest.mark.parametrize("policy", ["beta_ts", "BetaTSPolicy@1"])
async def test_aliases_are_answered_with_the_name_of_the_class(policy: str) -> None:
    async with open_world() as world:
        assert (await create(world, policy=policy)).json()["policy"] == "BetaTSPolicy"


@pytest.mark.parametrize(
    ("policy", "params", "word"),
    [
        ("BetaPolicy", {}, "BetaTSPolicy"),
        ("BetaTSPolicy", {"alpha": 1}, "alpha_prior"),
        ("BetaTSPolicy", {"alpha_prior": 0}, "> 0"),
        ("BetaTSPolicy", {"alpha_prior": "1"}, "finite float"),
        ("BetaTSPolicy", {"alpha_prior": True}, "finite float"),
        ("BetaTSPolicy", {"alpha_prior": None}, "finite float"),
        ("BetaTSPolicy", {"dim": 3}, "dim"),
        ("BetaTSPolicy", {"successes": [1, 2, 3]}, "successes"),
        ("EpsilonPolicy", {"gamma": 1}, "eps"),
        ("LinUCBPolicy", {}, "dim"),
        ("LinUCBPolicy", {"dim": 0}, "dim"),
        ("LinUCBPolicy", {"dim": 1025}, "1024"),
        ("LinUCBPolicy", {"dim": 2.0}, "integer"),
        ("LinUCBPolicy", {"dim": True}, "integer"),
        ("LinUCBPolicy", {"dim": "2"}, "integer"),
        ("LinUCBPolicy", {"context_schema": []}, "context_schema"),
    ],
)
async def test_a_policy_or_parameter_that_is_not_ours_is_400(
    policy: str, params: dict[str, Any], word: str
) -> None:
    async with open_world() as world:
        answer = await create(world, policy=policy, policy_params=params)
        assert answer.status_code == 400, answer.text
        assert answer.json()["code"] == "INVALID_POLICY_PARAMS"
        assert word in answer.json()["detail"]


@pytest.mark.parametrize(
    ("policy", "params", "word"),
    [
        # Gamma and Beta quantities beyond the range of float64: no probabilities come out.
        ("BetaTSPolicy", {"alpha_prior": 1e-308}, "BetaTSPolicy@1"),
        ("LinTSPolicy", {"dim": 3, "v": 1e308}, "LinTSPolicy@1"),
        # 3 arms × 8 bytes × 10⁹ levels, and × 10¹² rounds.
        ("DirichletTSPolicy", {"k": 10**9}, "24,000,000,000 bytes"),
        ("SlidingWindowUCBPolicy", {"tau": 10**12}, "bytes"),
    ],
)
async def test_what_could_not_answer_the_first_select_is_not_made(
    policy: str, params: dict[str, Any], word: str
) -> None:
    async with open_world() as world:
        answer = await create(world, policy=policy, policy_params=params)
        assert answer.status_code == 400, answer.text
        assert word in answer.json()["detail"]
        assert (await world.http.get(EXPERIMENTS)).json()["experiments"] == []


async def test_dim_is_shown_among_the_parameters_of_a_contextual_policy() -> None:
    async with open_world() as world:
        made = (
            await create(world, policy="LinTSPolicy", policy_params={"dim": 4, "v": 0.3})
        ).json()
        assert made["policy_params"].items() >= {"dim": 4, "v": 0.3}.items()


@pytest.mark.parametrize(
    "changed",
    [
        {"name": ""},
        {"name": None},
        {"enabled": "true"},
        {"enabled": 1},
        {"enabled": None},
        {"policy_params": []},
        {"policy_params": None},
        {"feature_gate": {"enabled": 1}},
        {"learning": {"exploration_floor": 2}},
        {"learning": {"window": 3}},
        {"polcy": "BetaTSPolicy"},
    ],
)
async def test_what_is_no_proper_experiment_is_422(changed: dict[str, Any]) -> None:
    async with open_world() as world:
        answer = await create(world, **changed)
        assert answer.status_code == 422, answer.text


async def test_an_unknown_pool_is_404() -> None:
    async with open_world() as world:
        for pool_id in ("0" * 32, "nonsense"):
            answer = await create(world, pool_id=pool_id)
            assert answer.status_code == 404
            assert answer.json()["code"] == "POOL_NOT_FOUND"


async def test_a_taken_name_is_a_conflict_until_its_experiment_is_deleted() -> None:
    async with open_world() as world:
        made = (await create(world)).json()
        again = await create(world, enabled=False)
        assert (again.status_code, again.json()["code"]) == (409, "CONFLICT")
        assert (await world.http.delete(f"{EXPERIMENTS}/{made['id']}")).status_code == 200
        assert (await create(world, enabled=True)).status_code == 201
        gone = await world.http.get(f"{EXPERIMENTS}/{made['id']}")
        assert (gone.status_code, gone.json()["code"]) == (404, "EXPERIMENT_NOT_FOUND")


async def test_experiments_are_searched_by_a_part_of_the_name_and_by_being_enabled() -> None:
    async with open_world() as world:
        for number, name in enumerate(("Red Shoes", "blue shoes", "hats")):
            await world.experiment(name=name)
            if number == 1:
                newest = (await world.http.get(EXPERIMENTS)).json()["experiments"][0]
                await world.http.patch(f"{EXPERIMENTS}/{newest['id']}", json={"enabled": False})
        found = await world.http.get(EXPERIMENTS, params={"search": "SHOES"})
        assert [one["name"] for one in found.json()["experiments"]] == ["blue shoes", "Red Shoes"]
        found = await world.http.get(EXPERIMENTS, params={"search": "shoes", "enabled": "true"})
        assert [one["name"] for one in found.json()["experiments"]] == ["Red Shoes"]
        nul = await world.http.get(f"{EXPERIMENTS}?search=%00")
        assert nul.status_code == 422


async def test_an_answer_can_be_sent_again() -> None:
    async with open_world() as world:
        made = await world.experiment("LinUCBPolicy", dim=3)
        again = await world.http.post(EXPERIMENTS, json={**made, "name": "again"})
        assert again.status_code == 201, again.text
        patched = await world.http.patch(f"{EXPERIMENTS}/{made['id']}", json=made)
        assert patched.status_code == 200, patched.text


@pytest.mark.parametrize("word", ["auto", "", "MetaBanditPolicy"])
async def test_the_word_that_an_experiment_was_made_with_may_be_sent_again(word: str) -> None:
    async with open_world() as world:
        made = await world.experiment("auto")
        body = {"policy": word, "pool_id": made["pool_id"], "enabled": False}
        answer = await world.http.patch(f"{EXPERIMENTS}/{made['id']}", json=body)
        assert (answer.status_code, answer.json()["enabled"]) == (200, False)


@pytest.mark.parametrize("body", [{"policy": "UCB1Policy"}, {"pool_id": "0" * 32}])
async def test_what_cannot_change_is_refused_not_ignored(body: dict[str, str]) -> None:
    async with open_world() as world:
        made = await world.experiment()
        answer = await world.http.patch(f"{EXPERIMENTS}/{made['id']}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR")
        assert "make another experiment" in answer.json()["detail"]


async def test_hyper_parameters_are_replaced_at_the_next_version_and_learning_stays() -> None:
    async with open_world(control_wait_s=PATIENCE_S) as world, learning(world) as cortex:
        made = await world.experiment(alpha_prior=2, beta_prior=3)
        answer = (await world.select(made["id"])).json()
        await world.feedback(answer["request_id"], 1)
        await cortex.drain()
        url = f"{EXPERIMENTS}/{made['id']}"
        changed = await world.http.patch(url, json={"policy_params": {"beta_prior": 5}})
        assert changed.status_code == 200, changed.text
        assert changed.json()["policy_params"] == {"alpha_prior": 1.0, "beta_prior": 5.0}
        state = (await world.http.get(f"{url}/state")).json()
        configuration = json.loads(state["configuration"])
        assert configuration["policy"]["parameters"] == {"alpha_prior": 1.0, "beta_prior": 5}
        assert (state["epoch"], state["version"]) == (0, 2)


async def test_changes_that_meet_are_all_made_and_the_record_tells_what_decides() -> None:
    async with open_world(switched_stores()) as world, learning(world) as cortex:
        url = f"{EXPERIMENTS}/{(await create(world)).json()['id']}"
        numbers = [2.0, 3.0, 4.0, 5.0]
        changes: list[dict[str, Any]] = [{"policy_params": {"alpha_prior": n}} for n in numbers]
        changes += [{"enabled": False}, {"learning": {"exploration_floor": 0.25}}]
        answers = await asyncio.gather(*(world.http.patch(url, json=one) for one in changes))
        assert {answer.status_code for answer in answers} == {200}
        await cortex.drain()
        told = (await world.http.get(url)).json()
        decides = json.loads((await world.http.get(f"{url}/state")).json()["configuration"])
        assert told["policy_params"] == decides["policy"]["parameters"]
        assert told["policy_params"]["alpha_prior"] in numbers
        assert told["enabled"] is False
        assert told["learning"]["exploration_floor"] == decides["floor"] == 0.25


async def test_parameters_are_checked_before_anything_changes() -> None:
    async with open_world() as world:
        made = await world.experiment("LinUCBPolicy", dim=3, alpha=2)
        url = f"{EXPERIMENTS}/{made['id']}"
        for params, status, code in (
            ({"alpha": -1}, 400, "INVALID_POLICY_PARAMS"),
            ({"beta": 1}, 400, "INVALID_POLICY_PARAMS"),
            ({"dim": 4}, 409, "CONTEXT_DIM_IMMUTABLE"),
        ):
            answer = await world.http.patch(url, json={"policy_params": params})
            assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert (await world.http.get(url)).json() == made


async def test_null_changes_nothing_and_is_422() -> None:
    async with open_world() as world:
        made = await world.experiment()
        for field in ("enabled", "name", "policy_params", "learning"):
            answer = await world.http.patch(f"{EXPERIMENTS}/{made['id']}", json={field: None})
            assert answer.status_code == 422


async def test_the_exploration_floor_acts_at_the_next_version() -> None:
    async with open_world(control_wait_s=PATIENCE_S) as world, learning(world):
        made = await world.experiment("KLUCBPolicy")
        url = f"{EXPERIMENTS}/{made['id']}"
        body = {"learning": {"exploration_floor": 0.3}}
        answer = (await world.http.patch(url, json=body)).json()
        assert answer["learning"]["exploration_floor"] == 0.3
        state = (await world.http.get(f"{url}/state")).json()
        assert json.loads(state["configuration"])["floor"] == 0.3


async def test_a_reset_needs_a_pause_and_begins_a_new_epoch() -> None:
    async with open_world(control_wait_s=PATIENCE_S) as world, learning(world):
        made = await world.experiment()
        url = f"{EXPERIMENTS}/{made['id']}"
        running = await world.http.post(f"{url}/reset")
        assert (running.status_code, running.json()["code"]) == (409, "EXPERIMENT_RUNNING")
        await world.http.patch(url, json={"enabled": False})
        assert (await world.http.post(f"{url}/reset")).json()["id"] == made["id"]
        state = (await world.http.get(f"{url}/state")).json()
        assert (state["epoch"], state["version"]) == (1, 1)


async def test_state_and_ledger_begin_with_the_creation() -> None:

    async with open_world() as world:
        made = await world.experiment()
        url = f"{EXPERIMENTS}/{made['id']}"
        state = (await world.http.get(f"{url}/state")).json()
        assert (state["epoch"], state["version"]) == (0, 0)
        assert state["propensities"] == pytest.approx([1 / 3] * 3, abs=1e-10)
        ledger = (await world.http.get(f"{url}/ledger")).json()
        (first,) = ledger["batches"]
        assert ledger["next"] is None
        assert first["state_digest"] == state["state_digest"]
        control = Batch.from_bytes(b64decode(first["data"])).control
        assert control is not None
        assert (control.reason, control.start) == ("create", "init")
        assert control.configuration.to_json() == state["configuration"]


async def test_downloads_are_confined_to_the_workspace() -> None:
    async with open_world() as world:
        made = await world.experiment()
        stranger = await world.stranger()
        url = f"{EXPERIMENTS}/{made['id']}"
        names = ("state", "ledger", "decisions", "dead-letters")
        paths = [url, *(f"{url}/{name}" for name in names)]
        paths += [f"/api/v1/decisions/{'0' * 32}", f"/api/v1/bundles/{'0' * 64}"]
        for path in paths:
            assert (await world.http.get(path, headers=stranger)).status_code == 404


@pytest.mark.parametrize("sha256", ["%00", "nonsense", "F" * 64])
async def test_what_can_be_no_bundle_is_404_and_no_store_is_asked(sha256: str) -> None:
    async with open_world(switched_stores()) as world:
        await world.http.get(EXPERIMENTS)
        switch: Any = world.stores.catalog
        switch.failure = ValueError("the store cannot even hold such a text")
        answer = await world.http.get(f"/api/v1/bundles/{sha256}")
        assert (answer.status_code, answer.json()["code"]) == (404, "BUNDLE_NOT_FOUND")


async def test_decisions_come_back_once_they_are_archived() -> None:
    async with open_world() as world, learning(world) as cortex:
        made = await world.experiment("LinUCBPolicy", dim=2)
        for _ in range(3):
            await world.select(made["id"], vector=[1.0, 2.0])
        await world.gateway.decisions.flush()
        await cortex.drain()
        url = f"{EXPERIMENTS}/{made['id']}/decisions"
        first = (await world.http.get(url, params={"limit": 2})).json()
        rest = (await world.http.get(url, params={"after": first["next"]})).json()
        decisions = [*first["decisions"], *rest["decisions"]]
        assert len(decisions) == 3
        for decision in decisions:
            assert decision["low"] <= decision["u"] < decision["low"] + decision["propensity"]
            one = (await world.http.get(f"/api/v1/decisions/{decision['decision_id']}")).json()
            assert one == {"experiment_id": made["id"], **decision}


async def test_what_could_not_be_learned_is_told_with_its_reason() -> None:
    async with open_world() as world:
        made = await world.experiment()
        term = await world.stores.ledger.acquire(0, holder="me", ttl_s=60.0)
        assert term is not None
        selected = (await world.select(made["id"])).json()
        await world.feedback(selected["request_id"], 1.0)
        (event,) = await world.events(made["id"])
        payload = codec.pack_feedback([event])
        async with world.stores.ledger.step(0, term=term) as step:
            await step.bury(made["id"], reason="poison", payload=payload)
            await step.bury(made["id"], reason="damaged", payload=b"what")
            await step.bury("", reason="nobody's", payload=b"who")
        url = f"{EXPERIMENTS}/{made['id']}/dead-letters"
        first = (await world.http.get(url, params={"limit": 1})).json()
        rest = (await world.http.get(url, params={"before": first["next"]})).json()
        (damaged,), (poison,) = first["dead_letters"], rest["dead_letters"]
        assert (damaged["reason"], damaged["events"]) == ("damaged", [])
        assert b64decode(damaged["payload"]) == b"what"
        assert (poison["reason"], poison["redriven_ms"]) == ("poison", None)
        (told,) = poison["events"]
        assert (told["decision_id"], told["reward"]) == (event.decision_id, 1.0)
        assert rest["next"] is None


async def test_another_proxy_hears_of_a_change_at_once() -> None:
    async with open_world() as first, open_world(first.stores) as second:
        second.http.headers["X-API-Key"] = first.http.headers["X-API-Key"]
        made = await first.experiment()
        assert (await second.select(made["id"])).json()["is_default"] is False
        await first.http.patch(f"{EXPERIMENTS}/{made['id']}", json={"enabled": False})
        await settle()
        assert (await second.select(made["id"])).json()["is_default"] is True
