"""Pools and experiments over gRPC: the messages of the contract, the same things as over REST."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from serving.wire.gen import common_pb2, proxy_pb2
from tests.proxy.speaking import Speaker, fields, speaking


def struct(**values: Any) -> Struct:
    made = Struct()
    made.update(values)
    return made


async def test_a_pool_is_the_same_over_both_transports() -> None:
    async with speaking() as speaker:
        arms = [
            common_pb2.Arm(name="a", metadata={"colour": "red"}),
            common_pb2.Arm(name="b", id="ignored", index=7),
        ]
        made = (await speaker.call("CreatePool", name="p", arms=arms)).pool
        shown = (await speaker.world.http.get(f"/api/v1/pools/{made.id}")).json()
        assert (made.id, made.name) == (shown["id"], "p")
        assert (made.created_at, made.updated_at) == (shown["created_at"], shown["updated_at"])
        for arm, row in zip(made.arms, shown["arms"], strict=True):
            assert arm.id == row["id"]
            assert (arm.name, arm.index, arm.is_active) == (row["name"], row["index"], True)
            assert dict(arm.metadata) == row["metadata"]
        assert [arm.index for arm in made.arms] == [0, 1]
        assert (await speaker.call("GetPool", pool_id=made.id)).pool == made


async def test_metadata_that_is_no_text_is_shown_as_json() -> None:
    async with speaking() as speaker:
        arms = [{"name": "a", "metadata": {"price": 2.5, "tags": ["x"], "text": "5"}}]
        body = {"name": "p", "arms": arms}
        made = (await speaker.world.http.post("/api/v1/pools", json=body)).json()
        pool = (await speaker.call("GetPool", pool_id=made["id"])).pool
        assert dict(pool.arms[0].metadata) == {"price": "2.5", "tags": '["x"]', "text": "5"}


async def test_pools_are_listed_newest_first_and_a_limit_of_0_is_100() -> None:
    async with speaking() as speaker:
        for name in ("first", "second", "third"):
            await speaker.pool(name=name)
        listed = await speaker.call("ListPools")
        assert [pool.name for pool in listed.pools] == ["third", "second", "first"]
        assert (listed.limit, listed.offset) == (100, 0)
        part = await speaker.call("ListPools", limit=1, offset=1)
        assert [pool.name for pool in part.pools] == ["second"]
        assert (part.limit, part.offset) == (1, 1)
        for method in ("ListPools", "ListExperiments"):
            for limit, offset in ((-1, 0), (501, 0), (0, -1)):
                refused = await speaker.refused(method, limit=limit, offset=offset)
                assert refused.code == "INVALID_ARGUMENT"


async def test_a_pool_is_renamed_and_deleted() -> None:
    async with speaking() as speaker:
        pool = await speaker.pool(name="old")
        renamed = (await speaker.call("UpdatePool", pool_id=pool.id, name="new")).pool
        assert (renamed.id, renamed.name, renamed.arms) == (pool.id, "new", pool.arms)
        assert (await speaker.call("UpdatePool", pool_id=pool.id)).pool == renamed
        assert (await speaker.refused("UpdatePool", pool_id=pool.id, name="")).code == (
            "INVALID_ARGUMENT"
        )
        assert (await speaker.call("DeletePool", pool_id=pool.id)).deleted
        gone = await speaker.refused("GetPool", pool_id=pool.id)
        assert (gone.code, gone.trailing["qbrix-code"]) == ("NOT_FOUND", "POOL_NOT_FOUND")


async def test_an_experiment_is_the_same_over_both_transports() -> None:
    async with speaking() as speaker:
        gate = proxy_pb2.FeatureGateConfig(enabled=True, rollout_percentage=50)
        made = await speaker.experiment(
            "LinUCBPolicy",
            policy_params_json=struct(dim=3, alpha=0.5),
            feature_gate=gate,
        )
        assert fields(made) == {"experiment", "feature_gate", "pool"}
        shown = (await speaker.world.http.get(f"/api/v1/experiments/{made.experiment.id}")).json()
        experiment = made.experiment
        for name in ("id", "name", "pool_id", "policy", "enabled", "created_at", "updated_at"):
            assert getattr(experiment, name) == shown[name], name
        assert MessageToDict(experiment.policy_params_json) == shown["policy_params"]
        assert experiment.policy_params["dim"] == "3"
        assert experiment.policy_params["alpha"] == "0.5"
        assert made.pool.id == shown["pool"]["id"]
        assert made.feature_gate.rollout_percentage == shown["feature_gate"]["rollout_percentage"]
        got = await speaker.call("GetExperiment", experiment_id=experiment.id)
        assert got.SerializeToString(deterministic=True) == made.SerializeToString(
            deterministic=True
        )


async def test_what_rest_made_is_seen_over_grpc_without_a_gate() -> None:
    async with speaking() as speaker:
        made = await speaker.world.experiment(name="by rest")
        got = await speaker.call("GetExperiment", experiment_id=made["id"])
        assert fields(got) == {"experiment", "pool"}
        assert got.experiment.policy_params == {"alpha_prior": "1.0", "beta_prior": "1.0"}
        assert got.experiment.HasField("policy_params_json")


async def test_the_struct_beats_the_map_and_integral_numbers_are_ints() -> None:
    async with speaking() as speaker:
        made = await speaker.experiment(
            "DirichletTSPolicy",
            policy_params={"k": "7", "no_such_parameter": "1"},
            policy_params_json=struct(k=5, concentration_prior=0.5),
        )
        assert made.experiment.policy_params["k"] == "5"
        of_map = await speaker.experiment("DirichletTSPolicy", name="map", policy_params={"k": "4"})
        assert of_map.experiment.policy_params["k"] == "4"
        refused = await speaker.refused(
            "CreateExperiment",
            name="x",
            pool_id=made.pool.id,
            policy="DirichletTSPolicy",
            policy_params_json=struct(k=2.5),
        )
        assert (refused.code, refused.trailing["qbrix-code"]) == (
            "INVALID_ARGUMENT",
            "INVALID_POLICY_PARAMS",
        )


async def test_an_empty_struct_is_sent_and_beats_the_map_too() -> None:
    async with speaking() as speaker:
        refused = await speaker.refused(
            "CreateExperiment",
            name="x",
            pool_id=(await speaker.pool()).id,
            policy="DirichletTSPolicy",
            policy_params={"k": "4"},
            policy_params_json=Struct(),
        )
        assert refused.code == "INVALID_ARGUMENT"
        assert "k" in refused.details


async def test_a_context_schema_travels_in_the_struct() -> None:
    schema = [
        {"type": "categorical", "name": "country", "values": ["fr", "de"]},
        {"type": "numeric", "name": "age", "min": 0, "max": 100},
        {"type": "boolean", "name": "member"},
    ]
    async with speaking() as speaker:
        made = await speaker.experiment(
            "LinUCBPolicy", policy_params_json=struct(context_schema=schema)
        )
        shown = MessageToDict(made.experiment.policy_params_json)
        assert shown["dim"] == 6
        assert shown["context_schema"] == schema
        properties = struct(country="fr", age=50, member=True)
        assert (await speaker.select(made.experiment.id, properties=properties)).request_id
        sent_back = await speaker.call(
            "UpdateExperiment",
            experiment_id=made.experiment.id,
            policy_params_json=made.experiment.policy_params_json,
        )
        assert sent_back.experiment.policy_params == made.experiment.policy_params
        texts = await speaker.call(
            "UpdateExperiment",
            experiment_id=made.experiment.id,
            policy_params=made.experiment.policy_params,
        )
        assert texts.experiment.policy_params == made.experiment.policy_params
        changed = await speaker.refused(
            "UpdateExperiment",
            experiment_id=made.experiment.id,
            policy_params_json=struct(context_schema=schema[:1]),
        )
        assert (changed.code, changed.trailing["qbrix-code"]) == (
            "FAILED_PRECONDITION",
            "CONTEXT_SCHEMA_IMMUTABLE",
        )


async def test_an_update_changes_what_it_holds_and_nothing_else() -> None:
    async with speaking() as speaker:
        made = await speaker.experiment(policy_params_json=struct(alpha_prior=2))
        experiment = made.experiment.id
        paused = await speaker.call("UpdateExperiment", experiment_id=experiment, enabled=False)
        assert not paused.experiment.enabled
        assert paused.experiment.policy_params == made.experiment.policy_params
        tuned = await speaker.call(
            "UpdateExperiment", experiment_id=experiment, policy_params={"beta_prior": "3"}
        )
        assert tuned.experiment.policy_params == {"alpha_prior": "1.0", "beta_prior": "3.0"}
        assert not tuned.experiment.enabled
        reset = await speaker.call(
            "UpdateExperiment", experiment_id=experiment, policy_params_json=Struct()
        )
        assert reset.experiment.policy_params == {"alpha_prior": "1.0", "beta_prior": "1.0"}


async def test_an_update_creates_and_replaces_the_gate() -> None:
    async with speaking() as speaker:
        made = await speaker.experiment()
        experiment = made.experiment.id
        first = proxy_pb2.FeatureGateConfig(
            enabled=True, rollout_percentage=10, default_arm_id=made.pool.arms[1].id
        )
        created = await speaker.call(
            "UpdateExperiment", experiment_id=experiment, feature_gate=first
        )
        assert created.feature_gate.default_arm_id == made.pool.arms[1].id
        assert created.experiment.updated_at >= made.experiment.updated_at
        second = proxy_pb2.FeatureGateConfig(enabled=True, rollout_percentage=20)
        replaced = await speaker.call(
            "UpdateExperiment", experiment_id=experiment, feature_gate=second, enabled=False
        )
        assert replaced.feature_gate.rollout_percentage == 20
        assert replaced.feature_gate.default_arm_id == ""
        assert not replaced.experiment.enabled
        shown = (await speaker.world.http.get(f"/api/v1/gates/{experiment}")).json()
        assert (shown["rollout_percentage"], shown["version"]) == (20, 2)


async def test_an_update_that_is_refused_in_one_part_changes_nothing() -> None:
    async with speaking() as speaker:
        made = await speaker.experiment()
        experiment = made.experiment.id
        for gate, params in (
            (proxy_pb2.FeatureGateConfig(enabled=True, default_arm_id="0" * 32), Struct()),
            (proxy_pb2.FeatureGateConfig(enabled=True, timezone="Nowhere/At_All"), Struct()),
            (proxy_pb2.FeatureGateConfig(enabled=True), struct(alpha_prior=-1)),
        ):
            refused = await speaker.refused(
                "UpdateExperiment",
                experiment_id=experiment,
                enabled=False,
                policy_params_json=params,
                feature_gate=gate,
            )
            assert refused.code == "INVALID_ARGUMENT"
        got = await speaker.call("GetExperiment", experiment_id=experiment)
        assert got.experiment.enabled
        assert not got.HasField("feature_gate")


async def test_experiments_are_searched_and_filled_into_both_lists() -> None:
    async with speaking() as speaker:
        for name in ("Alpha one", "alpha two", "beta"):
            await speaker.experiment(name=name)
        everything = await speaker.call("ListExperiments")
        assert [one.name for one in everything.experiments] == ["beta", "alpha two", "Alpha one"]
        assert [item.experiment for item in everything.items] == list(everything.experiments)
        assert all(item.pool.arms for item in everything.items)
        found = await speaker.call("ListExperiments", search="ALPHA", enabled=True, limit=1)
        assert [one.name for one in found.experiments] == ["alpha two"]
        assert not (await speaker.call("ListExperiments", enabled=False)).experiments
        pool = everything.items[0].pool.id
        of_pool = await speaker.call("ListPoolExperiments", pool_id=pool)
        assert [one.name for one in of_pool.experiments] == ["beta"]
        assert [item.experiment.name for item in of_pool.items] == ["beta"]
        missing = await speaker.refused("ListPoolExperiments", pool_id="0" * 32)
        assert missing.trailing["qbrix-code"] == "POOL_NOT_FOUND"


async def test_an_experiment_is_deleted() -> None:
    async with speaking() as speaker:
        made = await speaker.experiment()
        asked = {"experiment_id": made.experiment.id}
        in_use = await speaker.refused("DeletePool", pool_id=made.pool.id)
        assert (in_use.code, in_use.trailing["qbrix-code"]) == (
            "FAILED_PRECONDITION",
            "POOL_HAS_EXPERIMENTS",
        )
        assert (await speaker.call("DeleteExperiment", **asked)).deleted
        assert (await speaker.refused("DeleteExperiment", **asked)).code == "NOT_FOUND"
        assert (await speaker.refused("GetExperiment", **asked)).code == "NOT_FOUND"
        assert (await speaker.call("DeletePool", pool_id=made.pool.id)).deleted


@pytest.mark.parametrize(
    ("method", "message", "code"),
    [
        ("CreatePool", proxy_pb2.CreatePoolRequest(name="p"), "VALIDATION_ERROR"),
        (
            "CreatePool",
            proxy_pb2.CreatePoolRequest(
                name="p", arms=[common_pb2.Arm(name="a"), common_pb2.Arm(name="a")]
            ),
            "VALIDATION_ERROR",
        ),
        (
            "CreatePool",
            proxy_pb2.CreatePoolRequest(name="nul \x00", arms=[common_pb2.Arm(name="a")]),
            "VALIDATION_ERROR",
        ),
        (
            "CreateExperiment",
            proxy_pb2.CreateExperimentRequest(name="e", pool_id="POOL", policy="NoPolicy"),
            "INVALID_POLICY_PARAMS",
        ),
        (
            "CreateExperiment",
            proxy_pb2.CreateExperimentRequest(
                name="e",
                pool_id="POOL",
                policy="BetaTSPolicy",
                policy_params_json=struct(alpha_prior=float("nan")),
            ),
            "VALIDATION_ERROR",
        ),
        (
            "CreateExperiment",
            proxy_pb2.CreateExperimentRequest(
                name="e",
                pool_id="POOL",
                policy="BetaTSPolicy",
                policy_params_json=struct(alpha_prior=[float("inf")]),
            ),
            "VALIDATION_ERROR",
        ),
        ("ListExperiments", proxy_pb2.ListExperimentsRequest(search="x" * 201), "VALIDATION_ERROR"),
        ("GetPool", b"\xff\xff\xff", "VALIDATION_ERROR"),
        ("GetPool", b"\x0a\x02\xc3\x28", "VALIDATION_ERROR"),
    ],
)
async def test_what_cannot_be_done_is_an_invalid_argument(
    method: str, message: Any, code: str
) -> None:
    async with speaking() as speaker:
        if getattr(message, "pool_id", None) == "POOL":
            asked = type(message)()
            asked.CopyFrom(message)
            asked.pool_id = (await speaker.pool()).id
            message = asked
        refused = await speaker.refused(method, message)
        assert (refused.code, refused.trailing["qbrix-code"]) == ("INVALID_ARGUMENT", code)


async def test_a_name_that_is_taken_already_exists() -> None:
    async with speaking() as speaker:
        await speaker.pool(name="p")
        arms = [common_pb2.Arm(name="a")]
        assert (await speaker.refused("CreatePool", name="p", arms=arms)).code == "ALREADY_EXISTS"
        made = await speaker.experiment(name="e")
        again = {"name": "e", "pool_id": made.pool.id, "policy": "BetaTSPolicy"}
        assert (await speaker.refused("CreateExperiment", **again)).code == "ALREADY_EXISTS"


async def test_every_number_of_a_struct_is_finite_however_deep() -> None:
    async with speaking() as speaker:
        made = await speaker.experiment("LinUCBPolicy", policy_params={"dim": "2"})
        await check_refused(speaker, made, struct(a=struct_value(5)))


def struct_value(depth: int) -> Any:
    return float("-inf") if depth == 0 else {"x": [struct_value(depth - 1)]}


async def check_refused(speaker: Speaker, made: Any, params: Struct) -> None:
    refused = await speaker.refused(
        "UpdateExperiment", experiment_id=made.experiment.id, policy_params_json=params
    )
    assert refused.code == "INVALID_ARGUMENT"
    assert "finite" in refused.details
