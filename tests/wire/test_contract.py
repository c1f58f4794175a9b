"""The public messages are those of the contract: every number, name and type, written by hand."""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from serving.wire.gen import common_pb2, proxy_pb2

# Ours alone are 5 of Context and the fields from 100 on.
# ``number:name:type``, ``?`` optional, ``*`` repeated, string where no type stands.
CONTRACT = """
Context 1:id 2:vector:float* 3:metadata:map<string,string> 4:properties:Struct 5:vector64:double*
Arm 1:id 2:name 3:index:int32 4:is_active:bool 5:metadata:map<string,string>
Pool 1:id 2:name 3:arms:Arm* 4:created_at 5:updated_at
Experiment 1:id 2:name 3:pool_id 4:policy 5:policy_params:map<string,string> 6:enabled:bool \
7:created_at 8:updated_at 9:policy_params_json:Struct 100:learning:Struct
HealthCheckRequest
HealthCheckResponse 1:status:Status
CreatePoolRequest 1:name 2:arms:Arm*
CreatePoolResponse 1:pool:Pool
GetPoolRequest 1:pool_id
GetPoolResponse 1:pool:Pool
UpdatePoolRequest 1:pool_id 2:name?
UpdatePoolResponse 1:pool:Pool
DeletePoolRequest 1:pool_id
DeletePoolResponse 1:deleted:bool
ListPoolsRequest 1:limit:int32 2:offset:int32
ListPoolsResponse 1:pools:Pool* 2:limit:int32 3:offset:int32
ExperimentDetail 1:experiment:Experiment 2:feature_gate:FeatureGateConfig 3:pool:Pool
CreateExperimentRequest 1:name 2:pool_id 3:policy 4:policy_params:map<string,string> \
5:enabled:bool 6:feature_gate:FeatureGateConfig 7:policy_params_json:Struct \
100:learning:Struct
CreateExperimentResponse 1:experiment:Experiment 2:feature_gate:FeatureGateConfig 3:pool:Pool
GetExperimentRequest 1:experiment_id
GetExperimentResponse 1:experiment:Experiment 2:feature_gate:FeatureGateConfig 3:pool:Pool
UpdateExperimentRequest 1:experiment_id 2:enabled:bool? 3:policy_params:map<string,string> \
4:feature_gate:FeatureGateConfig 5:policy_params_json:Struct \
100:learning:Struct
UpdateExperimentResponse 1:experiment:Experiment 2:feature_gate:FeatureGateConfig 3:pool:Pool
DeleteExperimentRequest 1:experiment_id
DeleteExperimentResponse 1:deleted:bool
ListExperimentsRequest 1:limit:int32 2:offset:int32 3:search? 4:enabled:bool?
ListExperimentsResponse 1:experiments:Experiment* 2:limit:int32 3:offset:int32 \
4:items:ExperimentDetail*
ListPoolExperimentsRequest 1:pool_id
ListPoolExperimentsResponse 1:experiments:Experiment* 2:items:ExperimentDetail*
FeatureGateConfig 1:enabled:bool 2:rollout_percentage:double 3:default_arm_id \
4:schedule:ScheduleConfig 5:active_hours:ActiveHoursConfig 6:timezone 7:rules:RuleConfig*
ScheduleConfig 1:start_timestamp_ms:int64? 2:end_timestamp_ms:int64?
ActiveHoursConfig 1:start? 2:end?
RuleConfig 1:key 2:operator 3:value 4:arm_id
CreateGateConfigRequest 1:experiment_id 2:config:FeatureGateConfig
CreateGateConfigResponse 1:config:FeatureGateConfig
GetGateConfigRequest 1:experiment_id
GetGateConfigResponse 1:config:FeatureGateConfig
UpdateGateConfigRequest 1:experiment_id 2:config:FeatureGateConfig 3:update_mask*
UpdateGateConfigResponse 1:config:FeatureGateConfig
DeleteGateConfigRequest 1:experiment_id
DeleteGateConfigResponse 1:deleted:bool
SelectRequest 1:experiment_id 2:context:Context
SelectResponse 1:arm:Arm 2:request_id 3:is_default:bool
FeedbackRequest 1:request_id 2:reward:double
FeedbackResponse 1:accepted:bool
ListPoliciesRequest 1:reward_type?
PolicyParam 1:name 2:type 3:required:bool 4:default:Value 5:description \
6:constraints:map<string,double>
Policy 1:name 2:category 3:reward_types* 4:description 5:user_params:PolicyParam*
ListPoliciesResponse 1:policies:Policy*
"""

_SCALARS = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_STRING: "string",
}


def type_of(field: FieldDescriptor) -> str:
    if field.message_type is None:
        return _SCALARS[field.type] if field.enum_type is None else field.enum_type.name
    if field.message_type.GetOptions().map_entry:
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        return f"map<{type_of(key)},{type_of(value)}>"
    return field.message_type.name


def written(field: FieldDescriptor) -> str:
    kind = type_of(field)
    typed = "" if kind == "string" else f":{kind}"
    many = field.is_repeated and not kind.startswith("map<")
    optional = field.has_presence and field.message_type is None
    return f"{field.number}:{field.name}{typed}{'*' if many else '?' if optional else ''}"


def described(message: Descriptor) -> str:
    return " ".join([message.name, *map(written, message.fields)])


def test_every_message_has_the_fields_of_the_contract() -> None:
    files = (common_pb2.DESCRIPTOR, proxy_pb2.DESCRIPTOR)
    found = {described(one) for file in files for one in file.message_types_by_name.values()}
    assert found == set(CONTRACT.strip().splitlines())


def test_the_packages_and_the_words_of_health_are_those_of_the_contract() -> None:
    assert common_pb2.DESCRIPTOR.package == "qbrix.common"
    assert proxy_pb2.DESCRIPTOR.package == "qbrix.proxy"
    assert dict(common_pb2.HealthCheckResponse.Status.items()) == {
        "UNKNOWN": 0,
        "SERVING": 1,
        "NOT_SERVING": 2,
    }


def test_every_call_takes_one_request_and_gives_one_answer() -> None:
    for method in proxy_pb2.DESCRIPTOR.services_by_name["ProxyService"].methods:
        stem = "HealthCheck" if method.name == "Health" else method.name
        assert method.input_type.name == f"{stem}Request"
        assert method.output_type.name == f"{stem}Response"
        assert not method.client_streaming
        assert not method.server_streaming
