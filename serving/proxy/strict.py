"""Requests of the control routes: read strictly, bounded, and who sends them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from qbrix.errors import InvalidRequest
from serving.proxy.auth import Principal, credential_of
from serving.proxy.gateway import Gateway
from serving.proxy.hot import read_body

__all__ = ["Caller", "Gate", "StrictRoute", "allow", "decode_strictly", "gateway_of"]

MAX_DEPTH = 32


class StrictRequest(Request):
    """A request whose body was read within its limit, and its JSON without NaN and infinities."""

    async def read(self, *, limit_bytes: int) -> None:
        """Read the body; raises InvalidRequest."""
        self._body = await read_body(self.receive, limit_bytes=limit_bytes)
        self._json = decode_strictly(self._body) if self._body else None

    async def json(self) -> Any:
        """The values that `read` found."""
        return self._json


class StrictRoute(APIRoute):
    """A route that asks who is there, then reads the body, then does its work."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the framework's handler."""
        handler = super().get_route_handler()
        has_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            gateway = gateway_of(request)
            credential = credential_of(dict(request.scope["headers"]))
            request.state.caller = await gateway.auth.authenticate(credential)
            inner = StrictRequest(request.scope, request.receive)
            if has_body:
                await inner.read(limit_bytes=gateway.settings.body_limit_bytes)
            return await handler(inner)

        return strict


def decode_strictly(body: bytes) -> Any:
    """JSON as values; raises InvalidRequest for what only looks like JSON, for NUL, and for depth
    that no answer could show again.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from None
    if b"\\u0000" in body and _holds_nul(value):
        raise InvalidRequest("a text in the body holds the character NUL; leave it out")
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _is_deep(value):
        raise InvalidRequest(f"the body is nested more than {MAX_DEPTH} deep; make it flatter")
    return value


def gateway_of(request: Request) -> Gateway:
    """The gateway that the application was built from."""
    gateway: Gateway = request.app.state.gateway
    return gateway


Gate = Annotated[Gateway, Depends(gateway_of)]


def _caller(request: Request) -> Principal:
    caller: Principal = request.state.caller
    return caller


Caller = Annotated[Principal, Depends(_caller)]


def allow(scope: str) -> Any:
    """A dependency: the caller, if its credential has the scope."""

    def allowed(caller: Caller) -> Principal:
        caller.require(scope)
        return caller

    return Depends(allowed)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_holds_nul, value))
