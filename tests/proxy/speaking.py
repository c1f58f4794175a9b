"""A world that is spoken to over gRPC: a real server on a loopback port, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from serving.proxy.grpc.server import public_server
from serving.storage.base import Stores
from serving.wire.gen import common_pb2, proxy_pb2
from tests.proxy.world import World, open_world
from tests.waiting import PATIENCE_S

__all__ = ["METHODS", "Refused", "Speaker", "fields", "speaking"]

_SERVICE = proxy_pb2.DESCRIPTOR.services_by_name["ProxyService"]
METHODS = {
    method.name: (GetMessageClass(method.input_type), GetMessageClass(method.output_type))
    for method in _SERVICE.methods
}


class Refused(Exception):
    """A call that was answered with a status."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        super().__init__(f"{error.code().name}: {error.details()}")
        self.code = error.code().name
        self.details = error.details() or ""
        self.trailing = {str(key): str(value) for key, value in error.trailing_metadata() or ()}


@dataclass(frozen=True)
class Speaker:
    """Calls methods of the public service with a credential."""

    world: World
    address: str
    channel: grpc.aio.Channel
    metadata: Mapping[str, str] = field(default_factory=dict)

    def having(self, **metadata: str) -> Speaker:
        """The same with other metadata; ``_`` stands for a hyphen."""
        sent = {name.replace("_", "-"): value for name, value in metadata.items()}
        return Speaker(self.world, self.address, self.channel, sent)

    async def call(
        self, method: str, request: Message | bytes | None = None, /, **given: Any
    ) -> Any:
        """One call, its message given whole or by fields; raises Refused."""
        asked, answered = METHODS[method]
        message = asked(**given) if request is None else request
        data = message if isinstance(message, bytes) else message.SerializeToString()
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(
            f"/{_SERVICE.full_name}/{method}"
        )
        try:
            answer = await call(data, metadata=tuple(self.metadata.items()), timeout=PATIENCE_S)
        except grpc.aio.AioRpcError as error:
            raise Refused(error) from None
        return answered.FromString(answer)

    async def refused(
        self, method: str, request: Message | bytes | None = None, /, **given: Any
    ) -> Refused:
        """The refusal of a call that must be refused."""
        try:
            answer = await self.call(method, request, **given)
        except Refused as refusal:
            return refusal
        raise AssertionError(f"{method} was answered: {answer}")

    async def pool(self, *arms: str, name: str = "pool") -> Any:
        """A new pool."""
        made = [common_pb2.Arm(name=arm) for arm in arms or ("a", "b", "c")]
        return (await self.call("CreatePool", name=name, arms=made)).pool

    async def experiment(
        self, policy: str = "BetaTSPolicy", *, name: str = "test", **more: Any
    ) -> Any:
        """A new experiment on a new pool; the whole answer."""
        pool = await self.pool(name=f"pool of {name}")
        asked = {"name": name, "pool_id": pool.id, "policy": policy, "enabled": True, **more}
        return await self.call("CreateExperiment", **asked)

    async def select(self, experiment: str, *, id: str = "user-1", **context: Any) -> Any:
        """One select."""
        said = common_pb2.Context(id=id, **context)
        return await self.call("Select", experiment_id=experiment, context=said)


def fields(message: Message) -> set[str]:
    """The names of the fields that are set."""
    return {descriptor.name for descriptor, _ in message.ListFields()}


@asynccontextmanager
async def speaking(stores: Stores | None = None, **settings: Any) -> AsyncIterator[Speaker]:
    """Start a world and its gRPC server; the speaker has the key of an admin."""
    async with open_world(stores, grpc_port=0, **settings) as world:
        server = public_server(world.gateway)
        address = f"127.0.0.1:{await server.start()}"
        try:
            async with grpc.aio.insecure_channel(address) as channel:
                key = str(world.http.headers["X-API-Key"])
                yield Speaker(world, address, channel, {"x-api-key": key})
        finally:
            await server.stop(grace_s=0)
