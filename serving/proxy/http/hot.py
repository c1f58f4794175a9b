"""The routes that carry the traffic: plain ASGI, dispatched before the framework does any work."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, Self, TypeVar

import msgspec
import structlog
from starlette.types import Message, Receive, Scope, Send

from qbrix.errors import InvalidRequest, QbrixError
from serving.errors import INTERNAL, Answer, translate
from serving.proxy.agent.once import check_keys
from serving.proxy.people.auth import Authenticator, Credential, Principal, credential_of
from serving.proxy.people.rate_limits import RateLimits
from serving.telemetry import (
    ProxyMetrics,
    RequestNames,
    Spread,
    begin_request,
    current_request,
    given_name,
)

__all__ = [
    "CLOSE",
    "CORS",
    "Asked",
    "Doors",
    "Finished",
    "Header",
    "HotRoute",
    "encode_error",
    "name_of",
    "read_body",
    "respond",
]

_log = structlog.get_logger("proxy")

T = TypeVar("T")
Header = tuple[bytes, bytes]

CORS: list[Header] = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"Retry-After"),
]
CLOSE: Header = (b"connection", b"close")
_JSON: Header = (b"content-type", b"application/json")


@dataclass(frozen=True, kw_only=True, slots=True)
class Doors:
    """What every hot route needs to let a request in."""

    auth: Authenticator
    limits: RateLimits
    metrics: ProxyMetrics
    limit_bytes: int
    draining: Callable[[], bool]


class Finished(NamedTuple):
    """An answer, to be written with the length of its body."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


class Asked(NamedTuple):
    """What the head of a request says to a hot route."""

    credential: Credential | None
    name: str
    crosses_origins: bool

    @classmethod
    def of(cls, headers: Iterable[Header]) -> Self:
        """The last of several with one name counts."""
        given = dict(headers)
        return cls(credential_of(given), name_of(given), b"origin" in given)


class _Caught:
    """Keeps what is raised inside: no framework stands behind these routes to answer it."""

    error: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> bool:
        if isinstance(error, Exception):
            self.error = error
        return self.error is not None


class HotRoute(Generic[T]):
    """One POST: credential, scope, strict body, ``handle``, answer.

    ``prompt`` gives the answer as a call that waits for nobody, or None where it must be waited
    for: a request of which head and body came together is then answered without a task of its own.
    ``keys`` counts what was found in a body, so that few are read twice to look for doubles.
    """

    def __init__(
        self,
        path: str,
        *,
        scope: str,
        message: type[T],
        handle: Callable[[Principal, T], Awaitable[object]],
        answer: type[object],
        status: int,
        doors: Doors,
        timed: Spread | None = None,
        prompt: Callable[[Principal, T], Callable[[], object] | None] = lambda *_: None,
        keys: Callable[[T], int] = lambda _: 0,
    ) -> None:
        self.path = path
        self.message = message
        self.answer = answer
        self.status = status
        self._scope = scope
        self._handle = handle
        self._prompt = prompt
        self._doors = doors
        self._timed = timed
        self._keys = keys
        self._decoder = msgspec.json.Decoder(message)
        self._encode = msgspec.json.Encoder().encode
        self._known = doors.auth.known
        self._requests = doors.metrics.requests
        self._names = RequestNames()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        started_s = time.perf_counter()
        asked = Asked.of(scope["headers"])
        begin_request(asked.name)
        done = await self._finished(asked, self._answered(asked, receive), started_s=started_s)
        await _send_json(send, done.status, done.headers, done.body)

    def begin(self, asked: Asked, body: bytes) -> Finished | Awaitable[Finished] | None:
        """The answer to a request that came whole, or what waits for it.

        None, with nothing done, where the request must go the long way: it may end in a refusal.
        """
        started_s = time.perf_counter()
        principal = message = prompt = None
        with _Caught():  # who goes the long way is told there what is wrong
            principal = self._known(asked.credential)
            if principal is not None and len(body) <= self._doors.limit_bytes:
                message = self._decode(body)
                prompt = self._prompt(principal, message)
        if principal is None or message is None:
            return None
        if prompt is None:
            return self._waited_for(asked, principal, message, started_s=started_s)
        begin_request(asked.name)
        with _Caught() as caught:
            self._admit(principal)
            done = self._done(asked, self.status, self._encode(prompt()))
        if caught.error is not None:
            done = self._refused(asked, caught.error)
        begin_request("")  # the connection goes on to others
        self._count(done, started_s)
        return done

    async def _waited_for(
        self, asked: Asked, principal: Principal, message: T, *, started_s: float
    ) -> Finished:
        begin_request(asked.name)
        return await self._finished(asked, self._handled(principal, message), started_s=started_s)

    async def _finished(
        self, asked: Asked, answer: Awaitable[object], *, started_s: float
    ) -> Finished:
        with _Caught() as caught:
            done = self._done(asked, self.status, self._encode(await answer))
        if caught.error is not None:
            done = self._refused(asked, caught.error)
        self._count(done, started_s)
        return done

    async def _handled(self, principal: Principal, message: T) -> object:
        self._admit(principal)
        return await self._handle(principal, message)

    def _admit(self, principal: Principal) -> None:
        principal.require(self._scope)
        self._doors.limits.take(principal)

    def _done(
        self, asked: Asked, status: int, body: bytes, more: Iterable[Header] = ()
    ) -> Finished:
        headers: tuple[Header, ...] = (_JSON, *more)
        if name := current_request():
            headers = (*headers, (b"x-request-id", name.encode("ascii")))
        if asked.crosses_origins:
            headers = (*headers, *CORS)
        if self._doors.draining():
            headers = (*headers, CLOSE)
        return Finished(status, headers, body)

    def _refused(self, asked: Asked, error: Exception) -> Finished:
        if not current_request():
            begin_request(self._names.next())
        if isinstance(error, QbrixError):
            answer = translate(error)
        else:
            _log.error("request_failed", path=self.path, exc_info=error)
            answer = INTERNAL
        return self._done(asked, answer.status, encode_error(answer), _error_headers(answer))

    def _count(self, done: Finished, started_s: float) -> None:
        self._requests.add(self.path, done.status)
        if self._timed is not None:
            self._timed.observe(time.perf_counter() - started_s)

    async def _answered(self, asked: Asked, receive: Receive) -> object:
        principal = self._known(asked.credential)
        if principal is None:
            principal = await self._doors.auth.authenticate(asked.credential)
        self._admit(principal)
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body", False) or len(body) > self._doors.limit_bytes:
            body = await _read_on(message, receive, limit_bytes=self._doors.limit_bytes)
        return await self._handle(principal, self._decode(body))

    def _decode(self, body: bytes) -> T:
        try:
            decoded = self._decoder.decode(body)
            check_keys(body, found=self._keys(decoded))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequest(f"the body cannot be read: {error}") from None
        return decoded


def name_of(asked: Mapping[bytes, bytes]) -> str:
    """What the caller calls the request; nothing when it has no name."""
    given, trace = asked.get(b"x-request-id"), asked.get(b"traceparent")
    if given is None and trace is None:
        return ""
    return given_name((given or b"").decode("latin-1"), (trace or b"").decode("latin-1"))


async def read_body(receive: Receive, *, limit_bytes: int) -> bytes:
    """The whole body; a longer one is read to its end and refused, so that nothing is reset."""
    return await _read_on(await receive(), receive, limit_bytes=limit_bytes)


async def _read_on(message: Message, receive: Receive, *, limit_bytes: int) -> bytes:
    chunks, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise InvalidRequest("the client went away before the body was complete")
        size += len(message.get("body", b""))
        if size <= limit_bytes:
            chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
        message = await receive()
    if size > limit_bytes:
        raise InvalidRequest(
            f"the body has more than {limit_bytes} bytes; send less at once",
            code="PAYLOAD_TOO_LARGE",
        )
    return b"".join(chunks)


async def respond(send: Send, *, status: int, headers: list[Header], body: bytes) -> None:
    """Send one JSON answer."""
    await _send_json(send, status, (_JSON, *headers), body)


async def _send_json(send: Send, status: int, headers: Iterable[Header], body: bytes) -> None:
    whole = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": whole})
    await send({"type": "http.response.body", "body": body})


def encode_error(answer: Answer) -> bytes:
    """The error body as JSON."""
    return msgspec.json.encode(answer.body())


def _error_headers(answer: Answer) -> list[Header]:
    return [(name.lower().encode(), value.encode()) for name, value in answer.headers().items()]
