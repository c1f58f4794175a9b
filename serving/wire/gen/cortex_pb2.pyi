from serving.wire.gen import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CortexHealth(_message.Message):
    __slots__ = ("status", "shards")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    status: _common_pb2.HealthCheckResponse.Status
    shards: _containers.RepeatedCompositeFieldContainer[ShardHealth]
    def __init__(self, status: _Optional[_Union[_common_pb2.HealthCheckResponse.Status, str]] = ..., shards: _Optional[_Iterable[_Union[ShardHealth, _Mapping]]] = ...) -> None: ...

class ShardHealth(_message.Message):
    __slots__ = ("shard", "leads", "unread", "behind_s", "hindrance")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    LEADS_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FIELD_NUMBER: _ClassVar[int]
    BEHIND_S_FIELD_NUMBER: _ClassVar[int]
    HINDRANCE_FIELD_NUMBER: _ClassVar[int]
    shard: int
    leads: bool
    unread: int
    behind_s: float
    hindrance: str
    def __init__(self, shard: _Optional[int] = ..., leads: _Optional[bool] = ..., unread: _Optional[int] = ..., behind_s: _Optional[float] = ..., hindrance: _Optional[str] = ...) -> None: ...
