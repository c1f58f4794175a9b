"""A gRPC server inside our event loop, with the health protocol beside its own methods."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc

from qbrix.errors import Unavailable
from serving.wire.convert import read_serving, write_serving

__all__ = ["GrpcServer", "Method", "check_health"]

Method = Callable[[bytes, Any], Awaitable[bytes]]

_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5000),
    ("grpc.max_receive_message_length", 64 << 20),
]


class GrpcServer:
    """Serves methods by ``package.Service`` and name; messages are bytes on their way through."""

    def __init__(
        self,
        services: Mapping[str, Mapping[str, Method]],
        *,
        address: str,
        healthy: Callable[[], bool],
    ) -> None:
        self._server = grpc.aio.server(options=_OPTIONS)
        self._healthy = healthy
        health = {"Check": self._check}
        for service, methods in {**services, "grpc.health.v1.Health": health}.items():
            handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
                name: grpc.unary_unary_rpc_method_handler(method)
                for name, method in methods.items()
            }
            self._server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, handlers),)
            )
        self._address = address

    async def start(self) -> int:
        """Begin to serve; the port, chosen by the system when 0 was asked for."""
        try:
            port: int = self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise Unavailable(f"cannot serve on {self._address}: {error}") from None
        await self._server.start()
        return port

    async def stop(self, *, grace_s: float) -> None:
        """Finish the calls under way, refuse new ones."""
        await self._server.stop(grace_s)

    async def _check(self, _: bytes, __: Any) -> bytes:
        return write_serving(serving=self._healthy())


async def check_health(address: str, *, deadline_s: float = 1.0) -> None:
    """Raises Unavailable unless the server at this address says that it serves."""
    async with grpc.aio.insecure_channel(address) as channel:
        check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/grpc.health.v1.Health/Check"
        )
        try:
            answer = await check(b"", timeout=deadline_s)
        except grpc.aio.AioRpcError as error:
            raise Unavailable(f"{address} does not answer: {error.details()}") from None
    if not read_serving(answer):
        raise Unavailable(f"{address} answers that it does not serve")
