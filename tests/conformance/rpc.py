"""The public API as a client over gRPC speaks it; its answers are put in the words of REST."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from serving.wire.gen import common_pb2, proxy_pb2
from tests.conformance.clients import Json, Refused
from tests.waiting import PATIENCE_S

__all__ = ["Rpc", "gate_config", "plain", "struct"]

_SERVICE = "/qbrix.proxy.ProxyService/"
_GATE = {"enabled": True, "rollout_percentage": 100.0, "timezone": "UTC"}


def struct(values: Mapping[str, Any]) -> Struct:
    """JSON as google.protobuf.Struct."""
    made = Struct()
    made.update(values)
    return made


def plain(message: Message) -> Json:
    """Every field by its name, the empty ones too; whole numbers of a Struct are ints."""
    shown = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return dict(_whole(shown))


def gate_config(body: Mapping[str, Any]) -> proxy_pb2.FeatureGateConfig:
    """A gate as REST writes it; what is left out has its default, as a client fills it in."""
    given = {**_GATE, **{name: value for name, value in body.items() if value is not None}}
    config = proxy_pb2.FeatureGateConfig(
        enabled=given["enabled"],
        rollout_percentage=given["rollout_percentage"],
        default_arm_id=given.get("default_arm_id", ""),
        timezone=given["timezone"],
        rules=[_rule(rule) for rule in given.get("rules", ())],
    )
    for end in ("start", "end"):
        if (moment := given.get(f"schedule_{end}")) is not None:
            setattr(config.schedule, f"{end}_timestamp_ms", _ms(moment))
        if (clock := given.get(f"active_hours_{end}")) is not None:
            setattr(config.active_hours, end, clock)
    return config


class Rpc:
    """One address, one credential."""

    grpc = True

    def __init__(self, address: str, credential: Mapping[str, str] | None = None) -> None:
        self.channel = grpc.insecure_channel(address)
        self.metadata = tuple((name.lower(), v) for name, v in (credential or {}).items())

    def close(self) -> None:
        self.channel.close()

    def call(self, method: str, request: Message | None = None, /, **fields: Any) -> Any:
        """One call by its message or the message's fields; raises Refused."""
        asked = getattr(proxy_pb2, f"{method}Request", common_pb2.HealthCheckRequest)
        answered = getattr(proxy_pb2, f"{method}Response", common_pb2.HealthCheckResponse)
        multi: Any = self.channel.unary_unary(
            _SERVICE + method,
            request_serializer=asked.SerializeToString,
            response_deserializer=answered.FromString,
        )
        try:
            return multi(request or asked(**fields), metadata=self.metadata, timeout=PATIENCE_S)
        except grpc.RpcError as error:
            call: Any = error
            trailing = dict(call.trailing_metadata())
            raise Refused(
                call.code().name,
                trailing.get("qbrix-code", "NONE"),
                call.details(),
                trailing.get("retry-after"),
            ) from None

    def create_pool(self, name: str, arms: list[Json]) -> Json:
        made = [common_pb2.Arm(**arm) for arm in arms]
        return plain(self.call("CreatePool", name=name, arms=made).pool)

    def get_pool(self, pool: str) -> Json:
        return plain(self.call("GetPool", pool_id=pool).pool)

    def list_pools(self, **page: int) -> Json:
        return plain(self.call("ListPools", **page))

    def rename_pool(self, pool: str, **change: str) -> Json:
        return plain(self.call("UpdatePool", pool_id=pool, **change).pool)

    def delete_pool(self, pool: str) -> None:
        assert self.call("DeletePool", pool_id=pool).deleted is True

    def create_experiment(self, **body: Any) -> Json:
        return _experiment(
            self.call("CreateExperiment", **_experiment_fields({"enabled": True, **body}))
        )

    def get_experiment(self, experiment: str) -> Json:
        return _experiment(self.call("GetExperiment", experiment_id=experiment))

    def list_experiments(self, **query: Any) -> Json:
        said = self.call("ListExperiments", **query)
        assert [one.experiment for one in said.items] == list(said.experiments)
        return {
            "experiments": [_experiment(one) for one in said.items],
            "limit": said.limit,
            "offset": said.offset,
        }

    def pool_experiments(self, pool: str) -> list[Json]:
        said = self.call("ListPoolExperiments", pool_id=pool)
        assert [one.experiment for one in said.items] == list(said.experiments)
        return [_experiment(one) for one in said.items]

    def update_experiment(self, experiment: str, **change: Any) -> Json:
        fields = _experiment_fields(change)
        return _experiment(self.call("UpdateExperiment", experiment_id=experiment, **fields))

    def delete_experiment(self, experiment: str) -> None:
        assert self.call("DeleteExperiment", experiment_id=experiment).deleted is True

    def create_gate(self, experiment: str, **body: Any) -> Json:
        said = self.call("CreateGateConfig", experiment_id=experiment, config=gate_config(body))
        return _gate(said.config)

    def get_gate(self, experiment: str) -> Json:
        return _gate(self.call("GetGateConfig", experiment_id=experiment).config)

    def put_gate(self, experiment: str, **body: Any) -> Json:
        said = self.call("UpdateGateConfig", experiment_id=experiment, config=gate_config(body))
        return _gate(said.config)

    def patch_gate(self, experiment: str, **change: Any) -> Json:
        said = self.call(
            "UpdateGateConfig",
            experiment_id=experiment,
            config=gate_config(change),
            update_mask=list(change),
        )
        return _gate(said.config)

    def delete_gate(self, experiment: str) -> None:
        assert self.call("DeleteGateConfig", experiment_id=experiment).deleted is True

    def select(self, experiment: str, id: str = "user-1", **context: Any) -> Json:
        if "properties" in context:
            context["properties"] = struct(context["properties"])
        if "vector" in context:
            context["vector64"] = context.pop("vector")
        asked = common_pb2.Context(id=id, **context)
        said = plain(self.call("Select", experiment_id=experiment, context=asked))
        return {**said, "request_id": said["request_id"] or None}

    def feedback(self, request_id: str, reward: float) -> Json:
        return plain(self.call("Feedback", request_id=request_id, reward=reward))

    def policies(self, reward_type: str | None = None) -> list[Json]:
        return list(plain(self.call("ListPolicies", reward_type=reward_type))["policies"])


def _experiment_fields(body: Mapping[str, Any]) -> Json:
    fields = dict(body)
    if "policy_params" in fields:
        fields["policy_params_json"] = struct(fields.pop("policy_params"))
    if fields.get("feature_gate") is not None:
        fields["feature_gate"] = gate_config(fields["feature_gate"])
    return fields


def _experiment(detail: Any) -> Json:
    shown = plain(detail.experiment)
    shown["policy_params"] = shown.pop("policy_params_json")
    has_gate = detail.HasField("feature_gate")
    gate = _gate(detail.feature_gate) if has_gate else None
    return {**shown, "pool": plain(detail.pool), "feature_gate": gate}


def _gate(config: proxy_pb2.FeatureGateConfig) -> Json:
    schedule, hours = config.schedule, config.active_hours
    has_start = schedule.HasField("start_timestamp_ms")
    has_end = schedule.HasField("end_timestamp_ms")
    return {
        "enabled": config.enabled,
        "rollout_percentage": config.rollout_percentage,
        "default_arm_id": config.default_arm_id or None,
        "schedule_start": _iso(schedule.start_timestamp_ms) if has_start else None,
        "schedule_end": _iso(schedule.end_timestamp_ms) if has_end else None,
        "active_hours_start": hours.start or None,
        "active_hours_end": hours.end or None,
        "timezone": config.timezone,
        "rules": [
            {
                "key": rule.key,
                "operator": rule.operator,
                "value": _loose(rule.value),
                "arm_id": rule.arm_id or None,
            }
            for rule in config.rules
        ],
    }


def _rule(rule: Mapping[str, Any]) -> proxy_pb2.RuleConfig:
    value = rule["value"]
    text = value if isinstance(value, str) else json.dumps(value)
    return proxy_pb2.RuleConfig(
        key=rule["key"], operator=rule["operator"], value=text, arm_id=rule.get("arm_id") or ""
    )


def _loose(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).isoformat()


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
