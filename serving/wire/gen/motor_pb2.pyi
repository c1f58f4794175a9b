from serving.wire.gen import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LinkRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LinkPlace(_message.Message):
    __slots__ = ("port",)
    PORT_FIELD_NUMBER: _ClassVar[int]
    port: int
    def __init__(self, port: _Optional[int] = ...) -> None: ...

class QueryGroup(_message.Message):
    __slots__ = ("number", "queries")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    number: int
    queries: bytes
    def __init__(self, number: _Optional[int] = ..., queries: _Optional[bytes] = ...) -> None: ...

class AnswerGroup(_message.Message):
    __slots__ = ("number", "outcomes", "refusals")
    class RefusalsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: Refusal
        def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    number: int
    outcomes: bytes
    refusals: _containers.MessageMap[int, Refusal]
    def __init__(self, number: _Optional[int] = ..., outcomes: _Optional[bytes] = ..., refusals: _Optional[_Mapping[int, Refusal]] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("kind", "detail", "retry_after_s")
    KIND_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    kind: str
    detail: str
    retry_after_s: float
    def __init__(self, kind: _Optional[str] = ..., detail: _Optional[str] = ..., retry_after_s: _Optional[float] = ...) -> None: ...
