"""Requests of the control routes: read strictly, bounded, and who sends them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from serving.proxy.documents.plain import decode_strictly
from serving.proxy.gateway import Gateway
from serving.proxy.http.described import CREDENTIALS, errors
from serving.proxy.http.hot import read_body
from serving.proxy.people.auth import Principal, credential_of
from serving.storage.audit import Actor, acting
from serving.telemetry import current_request

__all__ = [
    "Caller",
    "Gate",
    "PublicRoute",
    "StrictRoute",
    "allow",
    "allow_admin",
    "gateway_of",
    "limited",
]


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

    statuses: ClassVar[tuple[int, ...]] = (400, 408, 413, 422, 503)

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
        return Actor(tenant="", request_id=current_request())


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
            request_id=current_request(),
        )


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
