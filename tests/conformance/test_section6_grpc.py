"""Section 6 of the public API: names, field numbers and semantics of gRPC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from serving.stack import Stack
from serving.wire.gen import common_pb2, proxy_pb2
from tests.conformance.clients import refused
from tests.conformance.making import NOBODY, new_experiment, new_pool, unique
from tests.conformance.people import Headers
from tests.conformance.rest import Rest
from tests.conformance.rpc import Rpc, struct

METHODS = """
CreatePool GetPool ListPools UpdatePool DeletePool CreateExperiment GetExperiment ListExperiments
ListPoolExperiments UpdateExperiment DeleteExperiment CreateGateConfig GetGateConfig
UpdateGateConfig DeleteGateConfig Select Feedback ListPolicies Health
"""
MESSAGES = """
Context 1:id 2:vector:float* 3:metadata:map 4:properties:Struct 5:vector64:double*
Arm 1:id 2:name 3:index:int32 4:is_active:bool 5:metadata:map
Pool 1:id 2:name 3:arms:Arm* 4:created_at 5:updated_at
Experiment 1:id 2:name 3:pool_id 4:policy 5:policy_params:map 6:enabled:bool 7:created_at
    8:updated_at 9:policy_params_json:Struct
HealthCheckRequest
HealthCheckResponse 1:status:Status
CreatePoolRequest 1:name 2:arms:Arm*
CreatePoolResponse 1:pool:Pool
GetPoolResponse 1:pool:Pool
UpdatePoolResponse 1:pool:Pool
GetPoolRequest 1:pool_id
DeletePoolRequest 1:pool_id
DeletePoolResponse 1:deleted:bool
ListPoolsRequest 1:limit:int32 2:offset:int32
ListPoolsResponse 1:pools:Pool* 2:limit:int32 3:offset:int32
UpdatePoolRequest 1:pool_id 2:name?
ExperimentDetail 1:experiment:Experiment 2:feature_gate:FeatureGateConfig 3:pool:Pool
CreateExperimentRequest 1:name 2:pool_id 3:policy 4:policy_params:map 5:enabled:bool
    6:feature_gate:FeatureGateConfig 7:policy_params_json:Struct
CreateExperimentResponse 1:experiment:Experiment 2:feature_gate:FeatureGateConfig 3:pool:Pool
GetExperimentResponse 1:experiment:Experiment 2:feature_gate:FeatureGateConfig 3:pool:Pool
UpdateExperimentResponse 1:experiment:Experiment 2:feature_gate:FeatureGateConfig 3:pool:Pool
GetExperimentRequest 1:experiment_id
DeleteExperimentRequest 1:experiment_id
DeleteExperimentResponse 1:deleted:bool
UpdateExperimentRequest 1:experiment_id 2:enabled:bool? 3:policy_params:map
    4:feature_gate:FeatureGateConfig? 5:policy_params_json:Struct
ListExperimentsRequest 1:limit:int32 2:offset:int32 3:search? 4:enabled:bool?
ListExperimentsResponse 1:experiments:Experiment* 2:limit:int32 3:offset:int32
    4:items:ExperimentDetail*
ListPoolExperimentsRequest 1:pool_id
ListPoolExperimentsResponse 1:experiments:Experiment* 2:items:ExperimentDetail*
FeatureGateConfig 1:enabled:bool 2:rollout_percentage:double 3:default_arm_id
    4:schedule:ScheduleConfig 5:active_hours:ActiveHoursConfig 6:timezone 7:rules:RuleConfig*
ScheduleConfig 1:start_timestamp_ms:int64? 2:end_timestamp_ms:int64?
ActiveHoursConfig 1:start? 2:end?
RuleConfig 1:key 2:operator 3:value 4:arm_id
CreateGateConfigRequest 1:experiment_id 2:config:FeatureGateConfig
UpdateGateConfigRequest 1:experiment_id 2:config:FeatureGateConfig 3:update_mask*
GetGateConfigRequest 1:experiment_id
DeleteGateConfigRequest 1:experiment_id
CreateGateConfigResponse 1:config:FeatureGateConfig
GetGateConfigResponse 1:config:FeatureGateConfig
UpdateGateConfigResponse 1:config:FeatureGateConfig
DeleteGateConfigResponse 1:deleted:bool
SelectRequest 1:experiment_id 2:context:Context
SelectResponse 1:arm:Arm 2:request_id 3:is_default:bool
FeedbackRequest 1:request_id 2:reward:double
FeedbackResponse 1:accepted:bool
ListPoliciesRequest 1:reward_type?
PolicyParam 1:name 2:type 3:required:bool 4:default:Value 5:description 6:constraints:map
Policy 1:name 2:category 3:reward_types* 4:description 5:user_params:PolicyParam*
ListPoliciesResponse 1:policies:Policy*
"""


def written() -> Iterator[tuple[str, set[str]]]:
    """Each message that the API writes down, with its fields as it writes them."""
    for line in re.sub(r"\n +", " ", MESSAGES).strip().splitlines():
        name, *fields = line.split()
        yield name, set(fields)


def reflected(channel: grpc.Channel, package: str, **asked: str) -> Any:
    """One question to server reflection."""
    stream: Any = channel.stream_stream(
        f"/{package}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    (answer,) = stream(iter([reflection_pb2.ServerReflectionRequest(**asked)]), timeout=20)
    return answer


def spelled(field: Field, maps: set[str]) -> str:
    """A field as the API writes it; strings have no type."""
    kind = field.type_name.split(".")[-1] or Field.Type.Name(field.type).removeprefix("TYPE_")
    is_map = field.type_name in maps
    if is_map:
        kind = "map"
    kind = kind if field.type_name or is_map else kind.lower()
    many = field.label == Field.LABEL_REPEATED and not is_map
    end = "*" if many else "?" if field.proto3_optional else ""
    shown = f"{field.number}:{field.name}"
    return shown + end if kind == "string" else f"{shown}:{kind}{end}"


@pytest.fixture
def anybody(stack: Stack) -> Iterator[Rpc]:
    """Somebody without a credential."""
    with closing(Rpc(stack.grpc_address)) as client:
        yield client


@pytest.mark.parametrize("package", ["grpc.reflection.v1", "grpc.reflection.v1alpha"])
def test_reflection_tells_names_and_numbers_to_everybody(anybody: Rpc, package: str) -> None:
    listed = reflected(anybody.channel, package, list_services="").list_services_response
    assert {"qbrix.proxy.ProxyService", "grpc.health.v1.Health"} <= {
        one.name for one in listed.service
    }
    symbol = "qbrix.proxy.ProxyService"
    answer = reflected(anybody.channel, package, file_containing_symbol=symbol)
    files = {
        file.name: file
        for data in answer.file_descriptor_response.file_descriptor_proto
        for file in [FileDescriptorProto.FromString(data)]
    }
    proxy, common = files["proxy.proto"], files["common.proto"]
    assert (proxy.package, proxy.syntax, common.package) == (
        *("qbrix.proxy", "proto3"),
        "qbrix.common",
    )
    (service,) = proxy.service
    assert {method.name for method in service.method} == set(METHODS.split())
    assert not any(method.client_streaming or method.server_streaming for method in service.method)
    messages = {
        message.name: (file.package, message)
        for file in (common, proxy)
        for message in file.message_type
    }
    for name, fields in written():
        home, message = messages[name]
        maps = {
            f".{home}.{name}.{inner.name}"
            for inner in message.nested_type
            if inner.options.map_entry
        }
        assert {spelled(field, maps) for field in message.field} >= fields, name
    (status,) = messages["HealthCheckResponse"][1].enum_type
    assert [(value.name, value.number) for value in status.value] == [
        ("UNKNOWN", 0),
        ("SERVING", 1),
        ("NOT_SERVING", 2),
    ]


def test_what_is_public_needs_no_credential(anybody: Rpc) -> None:
    assert anybody.call("Health").status == 1
    assert len(anybody.policies()) >= 19
    for service in ("", "qbrix.proxy.ProxyService"):
        check: Any = anybody.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        answer = check(health_pb2.HealthCheckRequest(service=service), timeout=20)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("method", sorted(set(METHODS.split()) - {"Health", "ListPolicies"}))
def test_everything_else_needs_one(anybody: Rpc, method: str) -> None:
    with refused(401, "UNAUTHORIZED"):
        anybody.call(method)


def test_a_reward_type_that_is_none_is_refused(anybody: Rpc) -> None:
    with refused(422, "VALIDATION_ERROR"):
        anybody.policies("ternary")


def test_a_limit_of_nothing_is_a_hundred(rpc: Rpc) -> None:
    assert rpc.call("ListPools").limit == 100
    assert rpc.call("ListExperiments").limit == 100
    assert rpc.call("ListPools", limit=7, offset=2).offset == 2


def create(rpc: Rpc, **fields: Any) -> Any:
    """A new experiment by raw fields."""
    given = {"name": unique("raw"), "pool_id": new_pool(rpc)["id"], "enabled": True, **fields}
    return rpc.call("CreateExperiment", **given)


def test_an_experiment_that_is_not_enabled_is_paused(rpc: Rpc) -> None:
    made = create(rpc, policy="BetaTSPolicy", enabled=False)
    assert made.experiment.enabled is False
    assert not made.HasField("feature_gate")


def test_whole_numbers_of_a_struct_are_ints(rpc: Rpc, rest: Rest) -> None:
    made = create(rpc, policy="DirichletTSPolicy", policy_params_json=struct({"k": 3.0}))
    shown = rest.get_experiment(made.experiment.id)["policy_params"]["k"]
    assert (shown, type(shown)) == (3, int)


def test_the_struct_beats_the_map_and_is_always_answered(rpc: Rpc) -> None:
    words = {"alpha_prior": "5", "beta_prior": "2.5"}
    by_map = create(rpc, policy="BetaTSPolicy", policy_params=words).experiment
    assert dict(by_map.policy_params_json) == {"alpha_prior": 5.0, "beta_prior": 2.5}
    assert dict(by_map.policy_params)["beta_prior"] == "2.5"
    both = create(
        rpc,
        policy="BetaTSPolicy",
        policy_params=words,
        policy_params_json=struct({"alpha_prior": 7}),
    ).experiment
    assert dict(both.policy_params_json) == {"alpha_prior": 7.0, "beta_prior": 1.0}
    neither = create(rpc, policy="BetaTSPolicy").experiment
    assert dict(neither.policy_params_json) == {"alpha_prior": 1.0, "beta_prior": 1.0}
    changed = rpc.call("UpdateExperiment", experiment_id=both.id, policy_params={"beta_prior": "4"})
    assert dict(changed.experiment.policy_params_json) == {"alpha_prior": 1.0, "beta_prior": 4.0}


def test_an_empty_vector_is_absent_and_a_present_struct_is_sent(rpc: Rpc) -> None:
    by_dim = new_experiment(rpc, "LinTSPolicy", policy_params={"dim": 2})["id"]
    schema = [{"type": "boolean", "name": "b"}]
    params = {"context_schema": schema}
    by_schema = new_experiment(rpc, "LinTSPolicy", policy_params=params)["id"]
    assert rpc.select(by_schema, vector=[])["request_id"]
    assert rpc.select(by_schema, properties={})["request_id"]
    with refused(400, "INVALID_CONTEXT_PROPERTIES"):
        rpc.select(by_dim, vector=[1.0, 2.0], properties={})
    floats = common_pb2.Context(id="u", vector=[0.5, 1.5])
    assert rpc.call("Select", experiment_id=by_dim, context=floats).request_id
    nan = common_pb2.Context(id="u", vector=[float("nan"), 1.5])
    with refused(400, "INVALID_CONTEXT_VECTOR"):
        rpc.call("Select", experiment_id=by_dim, context=nan)


def test_a_select_without_a_context_is_refused(rpc: Rpc) -> None:
    with refused(422, "VALIDATION_ERROR"):
        rpc.call("Select", experiment_id=new_experiment(rpc)["id"])


def test_no_request_id_is_an_empty_one(rpc: Rpc) -> None:
    paused = new_experiment(rpc, enabled=False)["id"]
    context = common_pb2.Context(id="u")
    assert rpc.call("Select", experiment_id=paused, context=context).request_id == ""


def test_an_update_of_an_experiment_creates_or_replaces_its_gate(rpc: Rpc) -> None:
    made = new_experiment(rpc)["id"]
    gate = proxy_pb2.FeatureGateConfig(enabled=True, rollout_percentage=30)
    first = rpc.call("UpdateExperiment", experiment_id=made, feature_gate=gate)
    assert first.feature_gate.rollout_percentage == 30
    assert first.feature_gate.timezone == "UTC"
    other = proxy_pb2.FeatureGateConfig(enabled=False, timezone="Europe/Paris")
    second = rpc.call("UpdateExperiment", experiment_id=made, feature_gate=other)
    assert second.feature_gate.timezone == "Europe/Paris"
    assert (second.feature_gate.enabled, second.feature_gate.rollout_percentage) == (False, 0)
    assert rpc.call("GetGateConfig", experiment_id=made).config == second.feature_gate


def test_an_update_mask_makes_a_patch_and_none_a_put(rpc: Rpc) -> None:
    pool = new_pool(rpc)
    made = new_experiment(rpc, pool_id=pool["id"])["id"]
    arm = pool["arms"][1]["id"]
    whole = proxy_pb2.FeatureGateConfig(
        enabled=True,
        rollout_percentage=30,
        default_arm_id=arm,
        schedule=proxy_pb2.ScheduleConfig(start_timestamp_ms=1_000, end_timestamp_ms=2_000),
        active_hours=proxy_pb2.ActiveHoursConfig(start="09:00", end="17:00"),
        timezone="Europe/Paris",
    )
    assert rpc.call("CreateGateConfig", experiment_id=made, config=whole).config == whole
    nothing = proxy_pb2.FeatureGateConfig(rollout_percentage=50)

    def update(*mask: str) -> Any:
        fields = {"experiment_id": made, "config": nothing, "update_mask": mask}
        return rpc.call("UpdateGateConfig", **fields).config

    after = update("rollout_percentage")
    whole.rollout_percentage = 50
    assert after == whole
    assert update("default_arm_id").default_arm_id == ""
    cleared = update("schedule_start")
    assert not cleared.schedule.HasField("start_timestamp_ms")
    assert cleared.schedule.end_timestamp_ms == 2_000
    assert not update("active_hours_start", "active_hours_end").HasField("active_hours")
    for wrong in ("rollout", "config.enabled", "version"):
        with refused(422, "VALIDATION_ERROR"):
            update(wrong)
    put = update()
    assert put == proxy_pb2.FeatureGateConfig(rollout_percentage=50, timezone="UTC")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("pro", "pro"),
        ("30", 30),
        ("true", True),
        ('["DE", "FR"]', ["DE", "FR"]),
        ('"30"', "30"),
        ("[broken", "[broken"),
    ],
)
def test_a_rule_s_value_is_text_or_json(rpc: Rpc, rest: Rest, text: str, value: Any) -> None:
    made = new_experiment(rpc)["id"]
    rule = proxy_pb2.RuleConfig(key="x", operator="equals", value=text)
    config = proxy_pb2.FeatureGateConfig(enabled=True, rollout_percentage=100, rules=[rule])
    rpc.call("CreateGateConfig", experiment_id=made, config=config)
    (shown,) = rest.get_gate(made)["rules"]
    assert shown["value"] == value
    assert type(shown["value"]) is type(value)
    again = rpc.call("GetGateConfig", experiment_id=made).config.rules[0].value
    assert again.replace(" ", "") == text.replace(" ", "")


def test_the_credential_travels_in_either_metadata(stack: Stack, admin: Headers) -> None:
    key = admin["X-API-Key"]
    for metadata in ({"x-api-key": key}, {"authorization": f"Bearer {key}"}):
        with closing(Rpc(stack.grpc_address, metadata)) as client:
            assert client.list_pools()["limit"] == 100
    wrong = {"x-api-key": "no", "authorization": f"Bearer {key}"}
    with (
        closing(Rpc(stack.grpc_address, wrong)) as client,
        refused(401, "UNAUTHORIZED"),
    ):
        client.list_pools()


def test_a_limit_trails_when_to_come_again(stack: Stack, rest: Rest) -> None:
    key = rest.ask("POST", "/api/auth/api-keys", {"rate_limit_per_minute": 1})["key"]
    with closing(Rpc(stack.grpc_address, {"X-API-Key": key})) as client:
        with refused(404, "EXPERIMENT_NOT_FOUND"):
            client.select(NOBODY)
        with refused(429, "RATE_LIMITED") as caught:
            client.feedback("x", 1.0)
    assert 1 <= int(caught.value.retry_after or 0) <= 60


def test_conflicts_have_two_statuses(rpc: Rpc) -> None:
    made = new_experiment(rpc, feature_gate={})
    with refused(409, "CONFLICT") as pool:
        rpc.create_pool(made["pool"]["name"], [{"name": "a"}])
    with refused(409, "CONFLICT") as experiment:
        new_experiment(rpc, pool_id=made["pool_id"], name=made["name"])
    with refused(409, "GATE_ALREADY_EXISTS") as gate:
        rpc.create_gate(made["id"])
    assert {told.value.status for told in (pool, experiment, gate)} == {"ALREADY_EXISTS"}
    with refused(409, "POOL_HAS_EXPERIMENTS") as kept:
        rpc.delete_pool(made["pool_id"])
    assert kept.value.status == "FAILED_PRECONDITION"


def test_bytes_that_are_no_message_are_refused(rpc: Rpc) -> None:
    raw: Any = rpc.channel.unary_unary("/qbrix.proxy.ProxyService/Select")
    with pytest.raises(grpc.RpcError) as caught:
        raw(b"\xff\xff\xff", metadata=rpc.metadata, timeout=20)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_method_that_is_none_is_unimplemented(rpc: Rpc) -> None:
    raw: Any = rpc.channel.unary_unary("/qbrix.proxy.ProxyService/Nothing")
    with pytest.raises(grpc.RpcError) as caught:
        raw(b"", metadata=rpc.metadata, timeout=20)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
