"""Which rewards count: the settings over both transports, and taking rewards back."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from qbrix.bundle import TrustedKeys
from qbrix.ledger import Attribution, Disposition
from qbrix.ledger.names import retraction_id
from serving.cortex.service import Cortex
from serving.cortex.times import Timing
from serving.loading import PolicyLoader
from serving.storage.memory import memory_stores
from tests.proxy.speaking import speaking
from tests.proxy.world import SHARDS, World, learning, open_world
from tests.waiting import PATIENCE_S

EXPERIMENTS = "/api/v1/experiments"
RETRACT = "/api/v1/agent/feedback/retract"
ALL: dict[str, Any] = {"window_s": 3600.0, "default_reward": 0.0, "aggregation": "max"}


async def _made(world: World, asked: dict[str, Any], *, policy: str = "BetaTSPolicy") -> Any:
    pool = await world.pool(name=f"pool {time.monotonic_ns()}")
    body = {"name": "x", "pool_id": pool["id"], "policy": policy, "learning": asked}
    return await world.http.post(EXPERIMENTS, json=body)


async def _selected(world: World, experiment: str) -> str:
    return str((await world.select(experiment)).json()["request_id"])


async def test_settings_are_taken_shown_and_decide_from_version_0_on() -> None:
    async with open_world() as world:
        made = await _made(world, ALL)
        assert made.status_code == 201, made.text
        shown = {"exploration_floor": 0.0, "reward_range": None, **ALL}
        assert made.json()["learning"] == shown
        path = f"{EXPERIMENTS}/{made.json()['id']}"
        assert (await world.http.get(path)).json()["learning"] == shown
        (creation,) = await world.stores.ledger.batches(made.json()["id"], after=-1, limit=9)
        assert creation.batch.control is not None
        assert creation.batch.control.configuration.attribution == Attribution(
            window_s=3600.0, default_reward=0.0, aggregation="max"
        )


async def test_without_settings_every_reward_counts_at_once_and_for_ever() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        assert experiment["learning"] == {
            "window_s": None,
            "default_reward": None,
            "aggregation": "first",
            "exploration_floor": 0.0,
            "reward_range": None,
        }


async def test_a_change_of_settings_is_a_version_of_its_own_and_keeps_the_others() -> None:
    async with open_world(control_wait_s=PATIENCE_S) as world, learning(world):
        made = (await _made(world, {"window_s": 60})).json()
        path = f"{EXPERIMENTS}/{made['id']}"
        changed = await world.http.patch(path, json={"learning": {"default_reward": 0.25}})
        assert changed.status_code == 200, changed.text
        assert changed.json()["learning"]["window_s"] == 60.0
        assert changed.json()["learning"]["default_reward"] == 0.25
        back = {"learning": {"default_reward": None, "window_s": None}}
        assert (await world.http.patch(path, json=back)).json()["learning"]["window_s"] is None
        batches = await world.stores.ledger.batches(made["id"], after=0, limit=9)
        configurations = [one.batch.control.configuration for one in batches if one.batch.control]
        assert [one.attribution for one in configurations] == [
            Attribution(window_s=60.0, default_reward=0.25),
            Attribution(),
        ]


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"window_s": 0}, "window_s"),
        ({"window_s": -1}, "window_s"),
        ({"window_s": True}, "window_s"),
        ({"window_s": "60"}, "window_s"),
        ({"aggregation": "mean", "window_s": 60}, "aggregation"),
        ({"aggregation": "sum"}, "set window_s too"),
        ({"default_reward": 0}, "set window_s too"),
        ({"default_reward": 1.5, "window_s": 60}, "default_reward = 1.5"),
        ({"default_reward": -1, "window_s": 60, "reward_range": [0, 5]}, "default_reward = -1"),
        ({"window_s": 29 * 86_400 + 1}, "a request_id has to live a day longer than the window"),
    ],
)
async def test_settings_that_cannot_be_are_refused(asked: Any, complaint: str) -> None:
    async with open_world() as world:
        answer = await _made(world, asked)
        assert answer.status_code == 422, answer.text
        assert answer.json()["code"] == "VALIDATION_ERROR"
        assert complaint in answer.text
        experiment = await world.experiment()
        path = f"{EXPERIMENTS}/{experiment['id']}"
        changed = await world.http.patch(path, json={"learning": asked})
        assert changed.status_code == 422
        assert (await world.http.get(path)).json()["learning"] == experiment["learning"]


async def test_the_longest_window_follows_the_lifetime_of_tokens() -> None:
    async with open_world(token_lifetime_s=3 * 86_400.0) as world:
        assert (await _made(world, {"window_s": 2 * 86_400})).status_code == 201
        assert (await _made(world, {"window_s": 2 * 86_400 + 1})).status_code == 422


async def test_a_default_and_a_log_that_leaves_decisions_out_exclude_each_other() -> None:
    async with open_world(decision_sampling=0.5) as world:
        refused = await _made(world, {"window_s": 60, "default_reward": 0})
        assert refused.status_code == 422
        assert "PROXY_DECISION_SAMPLING=0.5" in refused.text
        assert (await _made(world, {"window_s": 60})).status_code == 201


async def test_an_experiment_from_before_such_a_setting_can_still_be_paused() -> None:
    stores = memory_stores()
    async with open_world(stores) as world:
        made = (await _made(world, {"window_s": 60, "default_reward": 0})).json()
        key = world.http.headers["X-API-Key"]
    async with open_world(stores, decision_sampling=0.5, token_lifetime_s=2 * 86_400.0) as world:
        path = f"{EXPERIMENTS}/{made['id']}"
        headers = {"X-API-Key": key}
        paused = await world.http.patch(path, json={"enabled": False}, headers=headers)
        assert (paused.status_code, paused.json()["enabled"]) == (200, False)


async def test_settings_go_over_grpc_too() -> None:
    asked = Struct()
    asked.update(ALL)
    async with speaking() as speaker:
        made = await speaker.experiment(learning=asked)
        assert dict(made.experiment.learning) == {
            "exploration_floor": 0.0,
            "reward_range": None,
            **ALL,
        }
        change = Struct()
        change.update({"aggregation": "last"})
        name = made.experiment.id
        changed = await speaker.call("UpdateExperiment", experiment_id=name, learning=change)
        assert changed.experiment.learning["aggregation"] == "last"
        assert changed.experiment.learning["window_s"] == 3600.0
        change.update({"window_s": -1})
        refusal = await speaker.refused("UpdateExperiment", experiment_id=name, learning=change)
        assert refusal.code == "INVALID_ARGUMENT"
        assert "window_s" in refusal.details


async def test_a_retraction_is_an_event_of_its_own_and_told_when_it_comes_twice() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        request_id = await _selected(world, experiment["id"])
        await world.feedback(request_id, 1.0, feedback_id="a")
        body = {"request_id": request_id, "feedback_id": "a"}
        answers = [await world.http.post(RETRACT, json=body) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert [answer.json() for answer in answers] == [
            {"accepted": True, "duplicate": False},
            {"accepted": True, "duplicate": True},
        ]
        sent, taken = await world.events(experiment["id"])
        assert (sent.feedback_id, sent.reward) == ("a", 1.0)
        assert taken.feedback_id == retraction_id("a")
        assert math.isnan(taken.reward)
        assert (taken.decision_id, taken.arm, taken.u) == (sent.decision_id, sent.arm, sent.u)


async def test_a_retraction_is_refused_as_feedback_is() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        request_id = await _selected(world, experiment["id"])

        async def refused(body: Any, **more: Any) -> tuple[int, str]:
            answer = await world.http.post(RETRACT, json=body, **more)
            return answer.status_code, answer.json()["code"]

        own = {"request_id": request_id}
        assert await refused({"request_id": "x"}) == (400, "FEEDBACK_FAILED")
        assert await refused(own, headers=await world.stranger()) == (400, "FEEDBACK_FAILED")
        assert await refused({}) == (422, "VALIDATION_ERROR")
        empty = await world.http.post(RETRACT, json={"request_id": ""})
        assert (empty.status_code, empty.json()["accepted"]) == (201, False)
        assert (await refused({**own, "feedback_id": "\x1fclose"}))[1] == "VALIDATION_ERROR"
        viewer = {"X-API-Key": await world.key(role="viewer")}
        assert await refused(own, headers=viewer) == (403, "INSUFFICIENT_SCOPES")
        await world.http.delete(f"{EXPERIMENTS}/{experiment['id']}")
        assert await refused(own) == (400, "FEEDBACK_FAILED")


async def test_late_missing_and_retracted_end_in_the_ledger_as_what_they_are() -> None:
    """From the public routes to the rows: a window of a quarter of a second."""
    async with open_world() as world:
        asked = {"window_s": 0.25, "default_reward": 0.5}
        experiment = (await _made(world, asked)).json()["id"]
        tokens = [await _selected(world, experiment) for _ in range(3)]
        await world.feedback(tokens[0])
        await world.feedback(tokens[1])
        await world.http.post(RETRACT, json={"request_id": tokens[1]})
        await world.gateway.decisions.flush()
        later_ms = time.time_ns() // 1_000_000 + 60_000
        cortex = Cortex(
            world.stores,
            PolicyLoader(world.stores.ledger.bundle, TrustedKeys()),
            shards=range(SHARDS),
            holder="test",
            timing=Timing(clock=lambda: later_ms),
        )
        await cortex.drain()
        found = []
        for stored in await world.stores.ledger.batches(experiment, after=0, limit=99):
            if stored.batch.rows is not None:
                found += [Disposition(int(kind)).name for kind in stored.batch.rows.dispositions]
        assert sorted(found) == ["DEFAULT", "DEFAULT", "FOLDED", "RETRACTED", "WITHDRAWAL"]
