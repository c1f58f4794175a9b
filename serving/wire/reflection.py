"""Server reflection, under the name that tools ask for today and the one they asked for before.

The installed package knows the older name only; the messages of both are alike, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection, reflection_pb2

__all__ = ["add_reflection"]

_METHOD = "ServerReflectionInfo"
_OLD, _NEW = "grpc.reflection.v1alpha", "grpc.reflection.v1"
_SERVICES = tuple(f"{package}.ServerReflection" for package in (_NEW, _OLD))


def add_reflection(server: grpc.aio.Server, services: Iterable[str]) -> None:
    """Let the server tell what these services and reflection itself look like."""
    names = (*services, *_SERVICES)
    servicer = reflection.aio.ReflectionServicer(names, pool=_pool(names))
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for name in _SERVICES:
        generic = grpc.method_handlers_generic_handler(name, {_METHOD: handler})
        server.add_generic_rpc_handlers((generic,))


def _pool(services: Iterable[str]) -> DescriptorPool:
    """The files of the services; a pool of our own, for the newer name is in nobody else's."""
    known, pool = descriptor_pool.Default(), DescriptorPool()
    added: set[str] = set()
    for name in services:
        if name != _SERVICES[0]:
            _add(known.FindFileContainingSymbol(name), pool, added)
    pool.Add(_renamed(reflection_pb2.DESCRIPTOR))
    return pool


def _add(file: FileDescriptor, pool: DescriptorPool, added: set[str]) -> None:
    if file.name in added:
        return
    added.add(file.name)
    for needed in file.dependencies:
        _add(needed, pool, added)
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    pool.Add(proto)


def _renamed(file: FileDescriptor) -> FileDescriptorProto:
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    proto.name = proto.name.replace("v1alpha", "v1")
    proto.package = _NEW
    for message in proto.message_type:
        for field in filter(lambda one: one.type_name, message.field):
            field.type_name = field.type_name.replace(_OLD, _NEW)
    for service in proto.service:
        for method in service.method:
            method.input_type = method.input_type.replace(_OLD, _NEW)
            method.output_type = method.output_type.replace(_OLD, _NEW)
    return proto
