"""A gRPC server inside our event loop, with the health protocol beside its own methods."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc

from qbrix.errors import InvalidParameter, Unavailable
from serving.wire.health import SERVICE as HEALTH
from serving.wire.health import Health
from serving.wire.reflection import add_reflection
from serving.wire.streams import Method, Streams

__all__ = ["Certificate", "GrpcServer", "Method"]

_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.keepalive_permit_without_calls", 1),
    # Clients may ping every 5 s, and the network may hurry a ping: only less than 0.5 s is abuse.
    ("grpc.http2.min_ping_interval_without_data_ms", 500),
]

_NO_STREAMS: Mapping[str, Mapping[str, Method]] = MappingProxyType({})
_HOLD_S = 0.2
_SAY_S = 0.1
_TURNS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """Who the server is: a chain and its private key, as PEM files."""

    chain: Path
    key: Path

    def read(self) -> grpc.ServerCredentials:
        """Raises InvalidParameter when a file cannot be read."""
        try:
            pair = (self.key.read_bytes(), self.chain.read_bytes())
        except OSError as error:
            raise InvalidParameter(f"TLS files cannot be read: {error}") from None
        return grpc.ssl_server_credentials([pair])


class GrpcServer:
    """Serves methods by ``package.Service`` and name; messages are bytes on their way through.

    Methods in ``streams`` answer every message of a stream.
    """

    def __init__(
        self,
        services: Mapping[str, Mapping[str, Method]],
        *,
        address: str,
        healthy: Callable[[], bool],
        streams: Mapping[str, Mapping[str, Method]] = _NO_STREAMS,
        limit_bytes: int = 64 << 20,
        reuse_port: bool = False,
        reflects: bool = False,
        certificate: Certificate | None = None,
    ) -> None:
        options = [
            *_OPTIONS,
            ("grpc.max_receive_message_length", limit_bytes),
            ("grpc.so_reuseport", int(reuse_port)),
        ]
        self._server = grpc.aio.server(options=options)
        self._leaving = False
        self._said = asyncio.Event()
        self._health = Health(services, healthy=healthy)
        self._add(HEALTH, self._health.handlers)
        for service, methods in services.items():
            self._add(
                service,
                {
                    name: grpc.unary_unary_rpc_method_handler(self._polite(method))
                    for name, method in methods.items()
                },
            )
        self._streams = Streams()
        for service, methods in streams.items():
            handlers = {name: self._streams.handler(one) for name, one in methods.items()}
            self._add(service, handlers)
        if reflects:
            add_reflection(self._server, (*services, HEALTH))
        self._address = address
        self._certificate = certificate

    async def start(self) -> int:
        """Begin to serve; the port, chosen by the system when 0 was asked for."""
        credentials = None if self._certificate is None else self._certificate.read()
        try:
            port: int = (
                self._server.add_insecure_port(self._address)
                if credentials is None
                else self._server.add_secure_port(self._address, credentials)
            )
        except RuntimeError as error:
            raise Unavailable(
                f"cannot serve gRPC on {self._address}: {error}; free the port or choose another"
            ) from None
        await self._server.start()
        return port

    def leave(self) -> None:
        """Say that it goes, to whoever asks or watches, and answer on."""
        self._health.end()

    async def stop(self, *, grace_s: float) -> None:
        """Finish the calls under way, refuse new ones.

        A call that arrives before its client has heard that the server goes would be cancelled.
        So answers wait until that was said: who waits for one asks nothing meanwhile.
        """
        self.leave()
        if grace_s > 0:
            self._leaving = True
            await _awake(_HOLD_S)
        stopping = asyncio.ensure_future(self._server.stop(grace_s))
        await _awake(_SAY_S)
        self._said.set()
        self._streams.end()
        await stopping

    def _polite(self, method: Method) -> Method:
        """The method, whose answer waits while the server is about to say that it goes."""

        async def polite(data: bytes, context: Any) -> bytes:
            if self._leaving:
                await self._said.wait()
            answer = await method(data, context)
            if self._leaving:
                await self._said.wait()
            return answer

        return polite

    def _add(self, service: str, handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]]) -> None:
        handler = grpc.method_handlers_generic_handler(service, handlers)
        self._server.add_generic_rpc_handlers((handler,))


async def _awake(pause_s: float) -> None:
    """A pause in turns: a process that is stopped meanwhile sleeps through one of them only."""
    for _ in range(_TURNS):
        await asyncio.sleep(pause_s / _TURNS)
