"""Select and feedback over gRPC: the calls that carry the traffic."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from serving.tokens import DecisionToken, TokenSealer
from serving.wire.gen import common_pb2, proxy_pb2
from tests.proxy.outage import AWAY, switch, switched_stores
from tests.proxy.speaking import Speaker, speaking
from tests.proxy.world import TOKEN_KEY, learning
from tests.waiting import PATIENCE_S

NAN, INFINITY = float("nan"), float("inf")
_LEFT_ALONE_S = 0.25  # a store that failed is asked again after 0.2 s


def struct(**values: Any) -> Struct:
    made = Struct()
    made.update(values)
    return made


async def linear(speaker: Speaker, *, dim: int = 3) -> str:
    made = await speaker.experiment("LinUCBPolicy", policy_params={"dim": str(dim)})
    return str(made.experiment.id)


async def context_of(speaker: Speaker, experiment: str, request_id: str) -> list[float]:
    """The context that the token of a decision carries."""
    import numpy as np

    token = TokenSealer([TOKEN_KEY]).open(request_id, tenant=speaker.world.tenant)
    assert token.experiment == experiment
    return list(np.frombuffer(token.context, "<f8").tolist())


async def test_a_decision_takes_its_reward_over_either_transport() -> None:
    async with speaking() as speaker:
        made = await speaker.experiment()
        experiment = made.experiment.id
        arms = {arm.id: arm for arm in made.pool.arms}
        for number, world in enumerate((None, speaker.world)):
            chosen = await speaker.select(experiment, id=f"user-{number}")
            arm = arms[chosen.arm.id]
            assert (chosen.arm.name, chosen.arm.index) == (arm.name, arm.index)
            assert chosen.arm.is_active
            assert not chosen.is_default
            if world is None:
                answer = await speaker.call("Feedback", request_id=chosen.request_id, reward=1)
                assert answer.accepted
            else:
                assert (await world.feedback(chosen.request_id)).status_code == 201
        by_rest = (await speaker.world.select(experiment)).json()["request_id"]
        assert (await speaker.call("Feedback", request_id=by_rest, reward=0)).accepted
        events = await speaker.world.events(experiment)
        assert [event.reward for event in events] == [1.0, 1.0, 0.0]


async def test_what_is_learned_over_grpc_is_what_decides() -> None:
    async with speaking() as speaker, learning(speaker.world):
        made = await speaker.experiment()
        experiment = made.experiment.id
        for _ in range(5):
            chosen = await speaker.select(experiment)
            await speaker.call("Feedback", request_id=chosen.request_id, reward=1)
        url = f"/api/v1/experiments/{experiment}/state"
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if (await speaker.world.http.get(url)).json()["version"] > 0:
                    return
                await asyncio.sleep(0.01)


async def test_no_request_id_is_no_error_and_not_accepted() -> None:
    async with speaking() as speaker:
        assert not (await speaker.call("Feedback", reward=1)).accepted


async def test_a_second_reward_for_a_decision_is_accepted_and_counts_once() -> None:
    async with speaking() as speaker:
        made = await speaker.experiment()
        chosen = await speaker.select(made.experiment.id)
        for _ in range(2):
            answer = await speaker.call("Feedback", request_id=chosen.request_id, reward=1)
            assert answer.accepted
        assert len(await speaker.world.events(made.experiment.id)) == 1


async def test_a_paused_experiment_answers_its_control_arm_without_a_request_id() -> None:
    async with speaking() as speaker:
        made = await speaker.experiment(enabled=False)
        chosen = await speaker.select(made.experiment.id)
        assert chosen.arm.id == made.pool.arms[0].id
        assert (chosen.request_id, chosen.is_default) == ("", True)


async def test_a_gate_forces_its_arm_by_the_metadata_of_the_context() -> None:
    async with speaking() as speaker:
        pool = await speaker.pool()
        rule = proxy_pb2.RuleConfig(key="age", operator=">=", value="18", arm_id=pool.arms[2].id)
        gate = proxy_pb2.FeatureGateConfig(enabled=True, rollout_percentage=100, rules=[rule])
        made = await speaker.call(
            "CreateExperiment",
            name="e",
            pool_id=pool.id,
            policy="BetaTSPolicy",
            enabled=True,
            feature_gate=gate,
        )
        forced = await speaker.select(made.experiment.id, metadata={"age": "30"})
        assert (forced.arm.id, forced.is_default) == (pool.arms[2].id, True)
        assert forced.request_id
        free = await speaker.select(made.experiment.id, metadata={"age": "17"})
        assert not free.is_default


async def test_the_exact_vector_wins_over_the_short_one() -> None:
    async with speaking() as speaker:
        experiment = await linear(speaker)
        exact = [0.1, 0.2, 0.3]
        both = await speaker.select(experiment, vector=[1.0, 2.0, 3.0], vector64=exact)
        assert await context_of(speaker, experiment, both.request_id) == exact
        short = await speaker.select(experiment, vector=[0.5, 0.25, -1.0])
        assert await context_of(speaker, experiment, short.request_id) == [0.5, 0.25, -1.0]


async def test_an_empty_vector_is_absent() -> None:
    async with speaking() as speaker:
        refused = await speaker.refused(
            "Select",
            experiment_id=await linear(speaker),
            context=common_pb2.Context(id="u", vector=[]),
        )
        assert (refused.code, refused.trailing["qbrix-code"]) == (
            "INVALID_ARGUMENT",
            "INVALID_CONTEXT_VECTOR",
        )
        assert "0" in refused.details
        assert "3" in refused.details


async def test_properties_that_are_present_count_as_sent_even_when_empty() -> None:
    async with speaking() as speaker:
        experiment = await linear(speaker)
        vector = [1.0, 2.0, 3.0]
        refused = await speaker.refused(
            "Select",
            experiment_id=experiment,
            context=common_pb2.Context(id="u", vector=vector, properties=Struct()),
        )
        assert refused.trailing["qbrix-code"] == "INVALID_CONTEXT_PROPERTIES"


async def test_an_integral_property_is_an_int_and_names_its_category() -> None:
    schema = [{"type": "categorical", "name": "plan", "values": ["1", "2"]}]
    async with speaking() as speaker:
        made = await speaker.experiment(
            "LinUCBPolicy", policy_params_json=struct(context_schema=schema)
        )
        experiment = made.experiment.id
        chosen = await speaker.select(experiment, properties=struct(plan=2))
        assert await context_of(speaker, experiment, chosen.request_id) == [1.0, 0.0, 1.0, 0.0]
        undeclared = await speaker.refused(
            "Select",
            experiment_id=experiment,
            context=common_pb2.Context(id="u", properties=struct(plam=2)),
        )
        assert undeclared.trailing["qbrix-code"] == "INVALID_CONTEXT_PROPERTIES"
        assert "plan" in undeclared.details


@pytest.mark.parametrize("number", [NAN, INFINITY, -INFINITY])
async def test_no_double_may_be_nan_or_infinite(number: float) -> None:
    async with speaking() as speaker:
        experiment = (await speaker.experiment()).experiment.id
        chosen = await speaker.select(experiment)
        reward = await speaker.refused("Feedback", request_id=chosen.request_id, reward=number)
        nobody = await speaker.refused("Feedback", request_id="", reward=number)
        assert (reward.code, nobody.code) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT")
        for context in (
            common_pb2.Context(id="u", vector=[0.0, number]),
            common_pb2.Context(id="u", vector64=[number]),
            common_pb2.Context(id="u", properties=struct(x=number)),
            common_pb2.Context(id="u", properties=struct(x=[{"y": number}])),
        ):
            refused = await speaker.refused("Select", experiment_id=experiment, context=context)
            assert refused.code == "INVALID_ARGUMENT"
        assert await speaker.world.events(experiment) == []


@pytest.mark.parametrize("reward", [-0.5, 1.5, 1e300])
async def test_a_reward_that_the_policy_cannot_learn_from_is_refused(reward: float) -> None:
    async with speaking() as speaker:
        chosen = await speaker.select((await speaker.experiment()).experiment.id)
        refused = await speaker.refused("Feedback", request_id=chosen.request_id, reward=reward)
        assert (refused.code, refused.trailing["qbrix-code"]) == (
            "INVALID_ARGUMENT",
            "INVALID_REWARD",
        )


async def test_a_select_without_a_context_is_refused_and_an_empty_id_is_an_id() -> None:
    async with speaking() as speaker:
        experiment = (await speaker.experiment()).experiment.id
        refused = await speaker.refused("Select", experiment_id=experiment)
        assert refused.code == "INVALID_ARGUMENT"
        nul = common_pb2.Context(id="a\x00b")
        refused = await speaker.refused("Select", experiment_id=experiment, context=nul)
        assert refused.code == "INVALID_ARGUMENT"
        assert (await speaker.select(experiment, id="")).request_id


@pytest.mark.parametrize("experiment", ["0" * 32, "", "no id at all", "nul \x00"])
async def test_an_unknown_experiment_is_not_found(experiment: str) -> None:
    async with speaking() as speaker:
        context = common_pb2.Context(id="u")
        refused = await speaker.refused("Select", experiment_id=experiment, context=context)
        assert (refused.code, refused.trailing["qbrix-code"]) == (
            "NOT_FOUND",
            "EXPERIMENT_NOT_FOUND",
        )


async def test_a_forged_request_id_is_an_invalid_argument() -> None:
    async with speaking() as speaker:
        refused = await speaker.refused("Feedback", request_id="forged", reward=1)
        assert (refused.code, refused.trailing["qbrix-code"]) == (
            "INVALID_ARGUMENT",
            "FEEDBACK_FAILED",
        )


async def test_an_expired_request_id_is_a_deadline_that_was_exceeded() -> None:
    async with speaking() as speaker:
        experiment = (await speaker.experiment()).experiment.id
        decided_s = time.time() - 31 * 86_400
        token = DecisionToken(
            speaker.world.tenant,
            experiment,
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
        refused = await speaker.refused("Feedback", request_id=text, reward=1)
        assert refused.code == "DEADLINE_EXCEEDED"
        assert "token expired" in refused.details


async def test_a_deleted_experiment_takes_no_feedback() -> None:
    async with speaking() as speaker:
        experiment = (await speaker.experiment()).experiment.id
        chosen = await speaker.select(experiment)
        await speaker.call("DeleteExperiment", experiment_id=experiment)
        refused = await speaker.refused("Feedback", request_id=chosen.request_id, reward=1)
        assert refused.trailing["qbrix-code"] == "FEEDBACK_FAILED"


async def test_too_many_selects_are_told_when_to_come_back() -> None:
    async with speaking(rate_limit_per_minute=2) as speaker:
        experiment = (await speaker.experiment()).experiment.id
        for _ in range(2):
            await speaker.select(experiment)
        context = common_pb2.Context(id="u")
        for method, asked in (
            ("Select", {"experiment_id": experiment, "context": context}),
            ("Feedback", {"request_id": "x", "reward": 1.0}),
        ):
            refused = await speaker.refused(method, **asked)
            assert refused.code == "RESOURCE_EXHAUSTED"
            assert 1 <= int(refused.trailing["retry-after"]) <= 60
        assert (await speaker.call("ListPools")).pools


async def test_feedback_is_unavailable_while_redis_is_away_and_says_when_to_come_back() -> None:
    async with speaking(switched_stores(), durability="always") as speaker:
        experiment = (await speaker.experiment()).experiment.id
        chosen = await speaker.select(experiment)
        asked = {"request_id": chosen.request_id, "reward": 1.0}
        switch(speaker.world.stores, failure=AWAY)
        refused = await speaker.refused("Feedback", **asked)
        assert refused.code == "UNAVAILABLE"
        assert int(refused.trailing["retry-after"]) >= 1
        assert (await speaker.select(experiment)).request_id
        listed = await speaker.refused("ListPools")
        assert (listed.code, "retry-after" in listed.trailing) == ("UNAVAILABLE", True)
        switch(speaker.world.stores, failure=None)
        await asyncio.sleep(_LEFT_ALONE_S)
        assert (await speaker.call("Feedback", **asked)).accepted
