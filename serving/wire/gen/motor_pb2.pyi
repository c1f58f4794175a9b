from serving.wire.gen import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Query(_message.Message):
    __slots__ = ("tenant", "experiment", "decision_id", "context", "request")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    experiment: str
    decision_id: str
    context: bytes
    request: str
    def __init__(self, tenant: _Optional[str] = ..., experiment: _Optional[str] = ..., decision_id: _Optional[str] = ..., context: _Optional[bytes] = ..., request: _Optional[str] = ...) -> None: ...

class DecideRequest(_message.Message):
    __slots__ = ("queries",)
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    queries: _containers.RepeatedCompositeFieldContainer[Query]
    def __init__(self, queries: _Optional[_Iterable[_Union[Query, _Mapping]]] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("arm", "u", "low", "propensity", "recorded", "epoch", "version", "age_ms")
    ARM_FIELD_NUMBER: _ClassVar[int]
    U_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    arm: int
    u: float
    low: float
    propensity: float
    recorded: _containers.RepeatedScalarFieldContainer[float]
    epoch: int
    version: int
    age_ms: int
    def __init__(self, arm: _Optional[int] = ..., u: _Optional[float] = ..., low: _Optional[float] = ..., propensity: _Optional[float] = ..., recorded: _Optional[_Iterable[float]] = ..., epoch: _Optional[int] = ..., version: _Optional[int] = ..., age_ms: _Optional[int] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("kind", "detail", "retry_after_s")
    KIND_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    kind: str
    detail: str
    retry_after_s: float
    def __init__(self, kind: _Optional[str] = ..., detail: _Optional[str] = ..., retry_after_s: _Optional[float] = ...) -> None: ...

class Decided(_message.Message):
    __slots__ = ("outcome", "refusal")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    refusal: Refusal
    def __init__(self, outcome: _Optional[_Union[Outcome, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class DecideResponse(_message.Message):
    __slots__ = ("decided",)
    DECIDED_FIELD_NUMBER: _ClassVar[int]
    decided: _containers.RepeatedCompositeFieldContainer[Decided]
    def __init__(self, decided: _Optional[_Iterable[_Union[Decided, _Mapping]]] = ...) -> None: ...
