"""How a client asks: over REST, or over gRPC with the answer in REST's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import grpc
import httpx

from serving.wire.gen import common_pb2, proxy_pb2

__all__ = ["Asking"]

PATIENCE_S = 8.0
_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.CANCELLED: 0,
    grpc.StatusCode.DEADLINE_EXCEEDED: 0,
}
# Who lost a server tries it again soon; these are milliseconds.
_OPTIONS = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]


class Asking:
    """Both transports to the same servers; an answer is HTTP's status (0 for none) and a body."""

    def __init__(self, url: Callable[[], str], grpc_address: str, key: str) -> None:
        self.url = url
        self.headers = {"X-API-Key": key}
        self._address = grpc_address
        self._http: httpx.AsyncClient | None = None
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> Self:
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        self._http = httpx.AsyncClient(headers=self.headers, timeout=PATIENCE_S, limits=limits)
        self._channel = grpc.aio.insecure_channel(self._address, options=_OPTIONS)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._http is not None
        assert self._channel is not None
        await self._http.aclose()
        await self._channel.close()

    async def send(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        """One request over REST."""
        assert self._http is not None, "use it as a context manager"
        try:
            answer = await self._http.request(method, self.url() + path, json=body)
        except httpx.TransportError as error:
            return 0, {"error": repr(error)}
        found = answer.json()
        return answer.status_code, found if isinstance(found, dict) else {}

    async def select(
        self, experiment: str, *, metadata: Mapping[str, str], vector: list[float]
    ) -> tuple[int, dict[str, Any]]:
        """One decision over gRPC, which tells less of it."""
        context = common_pb2.Context(id="somebody", metadata=metadata, vector64=vector)
        request = proxy_pb2.SelectRequest(experiment_id=experiment, context=context)
        status, answer = await self._call("Select", request, proxy_pb2.SelectResponse)
        if status != 200:
            return status, {}
        return 200, {"arm": {"index": answer.arm.index}, "request_id": answer.request_id}

    async def feedback(self, request_id: str, reward: float) -> tuple[int, dict[str, Any]]:
        """One reward over gRPC, which does not tell duplicates."""
        request = proxy_pb2.FeedbackRequest(request_id=request_id, reward=reward)
        status, answer = await self._call("Feedback", request, proxy_pb2.FeedbackResponse)
        return (201, {"accepted": answer.accepted}) if status == 200 else (status, {})

    async def _call(self, method: str, request: Any, answer: Any) -> tuple[int, Any]:
        assert self._channel is not None, "use it as a context manager"
        call: Any = self._channel.unary_unary(
            f"/qbrix.proxy.ProxyService/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        metadata = tuple((name.lower(), value) for name, value in self.headers.items())
        try:
            return 200, await call(request, metadata=metadata, timeout=PATIENCE_S)
        except grpc.aio.AioRpcError as error:
            return _STATUS.get(error.code(), 500), None
