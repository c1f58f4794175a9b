"""Requests of the control routes: read strictly, bounded, and who sends them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, ClassVar
from uuid import uuid4

import msgspec
from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from qbrix.errors import InvalidRequest
from serving.proxy.auth import Principal, credential_of
from serving.proxy.described import CREDENTIALS, errors
from serving.proxy.gateway import Gateway
from serving.proxy.hot import read_body
from serving.storage.audit import Actor, acting

__all__ = [
    "Caller",
    "Gate",
    "PublicRoute",
    "StrictRoute",
    "allow",
    "allow_admin",
    "decode_strictly",
    "gateway_of",
    "limited",
]

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


class PublicRoute(APIRoute):
    """A route for everybody: it reads the body strictly, then does its work."""

    statuses: ClassVar[tuple[int, ...]] = (400, 413, 422, 503)

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        missing = (404,) if "{" in path else ()
        more["responses"] = {**errors(*self.statuses, *missing), **(more.get("responses") or {})}
        super().__init__(path, endpoint, **more)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the framework's handler."""
        handler = super().get_route_handler()
        has_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            actor = await self.admit(request)
            inner = StrictRequest(request.scope, request.receive)
            if has_body:
                limit_bytes = gateway_of(request).settings.body_limit_bytes
                await inner.read(limit_bytes=limit_bytes)
            with acting(actor):
                return await handler(inner)

        return strict

    async def admit(self, request: Request) -> Actor:
        """Who does what the route does."""
        return Actor(tenant="", request_id=_request_id(request))


class StrictRoute(PublicRoute):
    """A route that asks who is there first."""

    statuses = (*PublicRoute.statuses, 401, 403)

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        more["openapi_extra"] = {"security": CREDENTIALS, **(more.get("openapi_extra") or {})}
        super().__init__(path, endpoint, **more)

    async def admit(self, request: Request) -> Actor:
        """Raises Unauthorised."""
        credential = credential_of(dict(request.scope["headers"]))
        caller = await gateway_of(request).auth.authenticate(credential)
        request.state.caller = caller
        return Actor(
            tenant=caller.tenant,
            user=caller.user,
            key=caller.key_id or None,
            request_id=_request_id(request),
        )


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


def allow_admin(scope: str) -> Any:
    """A dependency: the caller, if it is an admin's credential with the scope."""

    def allowed(caller: Caller) -> Principal:
        caller.require_admin(scope)
        return caller

    return Depends(allowed)


async def _limited(request: Request, gateway: Gate) -> None:
    gateway.people.limits.from_address(request)


limited = Depends(_limited)  # for routes that anybody may try


def _request_id(request: Request) -> str:
    """The caller's name for the request if it has a decent one, else one of ours."""
    named = request.headers.get("x-request-id", "")
    decent = 0 < len(named) <= 128 and named.isascii() and named.isprintable()
    return named if decent else uuid4().hex


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
