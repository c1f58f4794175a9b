"""What every call goes through: credential, scope, limit; its errors, and on whose behalf it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import structlog

from qbrix.errors import QbrixError
from serving.errors import INTERNAL, translate
from serving.proxy.gateway import Gateway
from serving.proxy.people.auth import Principal, credential_of
from serving.storage.audit import Actor, acting
from serving.telemetry import RequestNames, Spread, begin_request, current_request, given_name
from serving.wire.server import Method
from serving.wire.status import abort

__all__ = ["SERVICE", "Calls"]

SERVICE = "qbrix.proxy.ProxyService"

_log = structlog.get_logger("proxy")

Handle = Callable[[Gateway, Principal, bytes], Coroutine[Any, Any, bytes]]
PublicHandle = Callable[[Gateway, bytes], Awaitable[bytes]]
Headers = Mapping[str, str]
Admitted = Callable[[bytes, Any, Headers, str], Awaitable[bytes]]


class Calls:
    """Makes a method of the service from what handles its message."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._requests = gateway.metrics.requests
        self._names = RequestNames()
        self._begun: set[asyncio.Task[bytes]] = set()

    def public(self, name: str, handle: PublicHandle) -> Method:
        """For everybody."""

        async def admitted(data: bytes, _: Any, __: Headers, ___: str) -> bytes:
            return await handle(self._gateway, data)

        return self._answering(name, admitted)

    def control(self, name: str, scope: str, handle: Handle) -> Method:
        """For a credential with the scope, whose doing it is."""

        async def admitted(data: bytes, context: Any, headers: Headers, request_id: str) -> bytes:
            caller = await self._caller(headers, scope)
            actor = Actor(
                tenant=caller.tenant,
                user=caller.user,
                key=caller.key_id or None,
                request_id=request_id,
            )
            context.set_trailing_metadata((("x-request-id", request_id),))
            begin_request(request_id)
            with acting(actor):
                return await self._finished(handle(self._gateway, caller, data))

        return self._answering(name, admitted)

    def hot(self, name: str, scope: str, handle: Handle, *, timed: Spread | None = None) -> Method:
        """For a credential with the scope that does not ask too often."""

        async def admitted(data: bytes, context: Any, headers: Headers, _: str) -> bytes:
            started_s = time.perf_counter()
            if given := current_request():
                context.set_trailing_metadata((("x-request-id", given),))
            caller = await self._caller(headers, scope)
            self._gateway.limits.take(caller)
            body = await handle(self._gateway, caller, data)
            if timed is not None:
                timed.observe(time.perf_counter() - started_s)
            return body

        return self._answering(name, admitted)

    async def _finished(self, work: Coroutine[Any, Any, bytes]) -> bytes:
        """What was begun is done to its end, even when the client no longer waits for it."""
        task = asyncio.create_task(work)
        self._begun.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[bytes]) -> None:
        self._begun.discard(task)
        if not task.cancelled():
            task.exception()  # it was told to the client, or there is nobody to tell

    async def _caller(self, headers: Headers, scope: str) -> Principal:
        sent = {name: headers[name] for name in ("x-api-key", "authorization") if name in headers}
        credential = credential_of(
            {name.encode(): value.encode("latin-1", "replace") for name, value in sent.items()}
        )
        auth = self._gateway.auth
        caller = auth.known(credential) or await auth.authenticate(credential)
        caller.require(scope)
        return caller

    def _answering(self, name: str, admitted: Admitted) -> Method:
        route = f"/{SERVICE}/{name}"

        async def answered(data: bytes, context: Any) -> bytes:
            headers = dict(context.invocation_metadata() or ())
            given = given_name(headers.get("x-request-id"), headers.get("traceparent"))
            request_id = given or self._names.next()
            begin_request(given)
            try:
                body = await admitted(data, context, headers, request_id)
            except QbrixError as error:
                answer = translate(error)
                if answer is INTERNAL:
                    _log.error("unlisted_error", route=route, exc_info=error)
            except Exception as error:  # noqa: BLE001 - gRPC would tell the client our exception
                _log.error("request_failed", route=route, request=request_id, exc_info=error)
                answer = INTERNAL
            else:
                self._requests.add(route, "OK")
                return body
            self._requests.add(route, answer.grpc)
            await abort(context, answer, request_id=request_id)

        return answered
