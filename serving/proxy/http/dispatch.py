"""The whole ASGI application: hot paths go to their route at once, all else to the framework."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from serving.errors import Answer
from serving.proxy.http.hot import CLOSE, CORS, Header, HotRoute, encode_error, name_of, respond
from serving.telemetry import ProxyMetrics, RequestNames, begin_request

__all__ = ["Dispatch"]

_ONLY_POST: list[Header] = [*CORS, (b"allow", b"POST, OPTIONS")]
_NOT_ALLOWED = Answer(
    status=405,
    code="METHOD_NOT_ALLOWED",
    detail="this route takes POST only",
    grpc="UNIMPLEMENTED",
)


class Dispatch:
    """Names every request, finds who answers it, and counts the answer.

    While draining, every answer asks the client to open its next connection elsewhere.
    """

    def __init__(
        self,
        app: FastAPI,
        *,
        routes: Mapping[str, HotRoute[Any]],
        draining: Callable[[], bool],
        metrics: ProxyMetrics,
    ) -> None:
        self.app = app
        self.hot = {path.encode(): route for path, route in routes.items()}
        self._routes = routes
        self._draining = draining
        self._metrics = metrics
        self._names = RequestNames()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch by path and method."""
        route = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is None:
            await self._control(scope, receive, send)
        elif scope["method"] == "POST":
            await route(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await respond(send, status=200, headers=_preflight(scope), body=b"{}")
        else:
            headers = [*_ONLY_POST, _named(self._name(scope))]
            await respond(send, status=405, headers=headers, body=encode_error(_NOT_ALLOWED))

    def _name(self, scope: Scope) -> str:
        return name_of(dict(scope["headers"])) or self._names.next()

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = self._name(scope)
        begin_request(name)
        started_s = time.perf_counter()

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [_named(name)]
                if self._draining():
                    more.append(CLOSE)
                message["headers"] = [*message["headers"], *more]
                self._metrics.requests.add(_template(scope), message["status"])
                self._metrics.control_s.observe(time.perf_counter() - started_s)
            await send(message)

        await self.app(scope, receive, named)


def _named(name: str) -> Header:
    return b"x-request-id", name.encode("ascii")


def _template(scope: Scope) -> str:
    """The route as it was declared: as many labels as there are routes, whatever is asked for."""
    return getattr(scope.get("route"), "path", "other")


def _preflight(scope: Scope) -> list[Header]:
    asked = dict(scope["headers"]).get(b"access-control-request-headers", b"X-API-Key")
    return [
        *CORS,
        (b"access-control-allow-methods", b"POST, OPTIONS"),
        (b"access-control-allow-headers", asked),
        (b"access-control-max-age", b"86400"),
    ]
