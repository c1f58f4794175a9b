"""The health protocol that orchestrators speak: grpc.health.v1."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from qbrix.errors import Unavailable

__all__ = ["SERVICE", "Health", "check_health"]

SERVICE = "grpc.health.v1.Health"

_LOOK_S = 0.5


class Health:
    """Answers for the whole server (the empty name) and for each of its services."""

    def __init__(self, services: Iterable[str], *, healthy: Callable[[], bool]) -> None:
        self._names = frozenset(("", SERVICE, *services))
        self._healthy = healthy
        self._ending = asyncio.Event()

    @property
    def handlers(self) -> dict[str, grpc.RpcMethodHandler[bytes, bytes]]:
        """The protocol's methods."""
        return {
            "Check": grpc.unary_unary_rpc_method_handler(self._check),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
        }

    def end(self) -> None:
        """Not serving from now on; who watches hears it and is let go."""
        self._ending.set()

    async def _check(self, data: bytes, context: Any) -> bytes:
        name = await _named(data, context)
        if name not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND, "this server has no such service")
        return self._answer(name)

    async def _watch(self, data: bytes, context: Any) -> AsyncIterator[bytes]:
        name = await _named(data, context)
        shown = None
        while not self._ending.is_set():
            if (answer := self._answer(name)) != shown:
                yield answer
                shown = answer
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._ending.wait()
            except TimeoutError:
                continue
        yield self._answer(name)

    def _answer(self, name: str) -> bytes:
        serving = self._healthy() and not self._ending.is_set()
        status = HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING
        if name not in self._names:
            status = HealthCheckResponse.SERVICE_UNKNOWN
        answer: bytes = HealthCheckResponse(status=status).SerializeToString()
        return answer


async def check_health(address: str, *, deadline_s: float = 1.0) -> None:
    """Raises Unavailable unless the server at this address says that it serves."""
    async with grpc.aio.insecure_channel(address) as channel:
        check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            f"/{SERVICE}/Check"
        )
        try:
            answer = await check(b"", timeout=deadline_s)
        except grpc.aio.AioRpcError as error:
            raise Unavailable(f"{address} does not answer: {error.details()}") from None
    if HealthCheckResponse.FromString(answer).status != HealthCheckResponse.SERVING:
        raise Unavailable(f"{address} answers that it does not serve")


async def _named(data: bytes, context: Any) -> str:
    try:
        name: str = HealthCheckRequest.FromString(data).service
    except DecodeError:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "this is no HealthCheckRequest")
        raise
    return name
