"""Connections: an answer leaves in one piece; who sends too long a head is cut off, with a word.

The server itself knows no limit for it; its bytes are counted only while it is not complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.errors import Answer
from serving.proxy.http.heads import Head, Heads
from serving.proxy.http.hot import CLOSE, Asked, Finished, Header, HotRoute, encode_error
from serving.proxy.http.one_piece import InOnePiece

__all__ = ["Connection", "Part"]

Part = Literal["greeting", "head", "body", "next"]

_HEAD_LIMIT_BYTES = 128 << 10
_LINGER_S = 1.0
_AHEAD = 16  # requests of one client that may wait for the answer to an earlier one
_NO_ROUTES: Mapping[bytes, HotRoute[Any]] = MappingProxyType({})
_REASONS = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}
_UNREADABLE = Answer(
    status=400, code="BAD_REQUEST", detail="this is not HTTP/1.1", grpc="INVALID_ARGUMENT"
)
_TOO_LONG = Answer(
    status=431,
    code="HEADERS_TOO_LARGE",
    detail=f"address and headers have more than {_HEAD_LIMIT_BYTES} bytes; send less",
    grpc="INVALID_ARGUMENT",
)


@dataclass(slots=True, eq=False)
class _UnderWay:
    """A request that is answered here, where the server looks for what it answers itself."""

    scope: object
    keep_alive: bool = True
    disconnected: bool = False
    response_started: bool = False
    response_complete: bool = False
    message_event: asyncio.Event = field(default_factory=asyncio.Event)


class _Flow(FlowControl):
    """Reads no further while many requests of the same client wait for their turn."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.transport)
        self._connection = connection

    def resume_reading(self) -> None:
        """Unless enough has been read."""
        if len(self._connection.pipeline) < _AHEAD:
            super().resume_reading()


class Connection(HttpToolsProtocol):
    """One client's; a request that cannot be read is answered as every other error is."""

    _whole: Any = None  # the scope of the latest request that arrived to its end
    _head_bytes = 0
    _route: HotRoute[Any] | None = None  # what may answer here, if all comes in one piece
    _early = b""
    _ended = False  # whether a request came to its end in the piece at hand
    _begun = False  # whether a request of the piece at hand was answered here, or will be
    _refused = False
    _piece = b""  # what is being read, if it began with a head
    _latest: object = None  # another one with every request that arrived to its end

    def connection_made(self, transport: Any) -> None:
        """A client has come."""
        super().connection_made(InOnePiece(transport))  # type: ignore[arg-type]
        self.flow = _Flow(self)
        self._heads = Heads()

    def data_received(self, data: bytes) -> None:
        """Answer at once what is like an earlier request; else read it.

        What belongs to a head that is not complete is counted.
        """
        if self._refused:
            return
        between = self.scope is self._whole
        found = self._heads.find(data) if between and self._may_answer() else None
        if found is not None and self._begin(*found):
            self._latest = object()
            return
        self._piece = data if between else b""
        self._begun = self._ended = False
        super().data_received(data)
        self._piece = b""
        if self._route is not None:
            self._wait_for_rest()
        if self._ended or self.scope is self._whole or self._has_head():
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > _HEAD_LIMIT_BYTES and not self.transport.is_closing():
            self.refuse(_TOO_LONG)

    def on_headers_complete(self) -> None:
        """Begin to answer, or see first whether the body came along."""
        self._route = self._hot_route()
        if self._route is None:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self._route is None:
            super().on_body(body)
        else:
            self._early += body

    def on_message_complete(self) -> None:
        """The client owes nothing any more, answered or not."""
        self._whole, self._ended = self.scope, True
        self._latest = self.scope
        if self._route is not None:
            head = Head(self._route, Asked.of(self.headers), len(self._early))
            if self._begin(head, self._early):
                self._route, self._early, self._begun = None, b"", True
                self._heads.remember(self._piece, head)
                return
            self._wait_for_rest()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """In the form of all errors."""
        self.refuse(_UNREADABLE)

    def on_response_complete(self) -> None:
        """Go on to who waits; `Patience` looks after a client who wants nothing more."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def awaited(self) -> tuple[Part, object] | None:
        """What the client owes us, and of which request."""
        scope: Any = self.scope
        if self.transport.is_closing() or self._refused:
            return None
        if scope is None:
            return "greeting", self
        if scope is self._whole:
            return ("next", self._latest) if self._is_idle() else None
        return ("body" if self._has_head() else "head"), scope

    def refuse(self, answer: Answer) -> None:
        """Say why, unless another answer is under way, and hang up.

        Who still sends would be reset, and lose the answer: so we listen for a moment longer.
        """
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        speaks = self._may_speak()
        if speaks:
            body = encode_error(answer)
            head = (
                b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
                b"connection: close\r\n\r\n" % (answer.status, _REASONS[answer.status], len(body))
            )
            self.transport.write(head + body)
        if self._has_head() and not self.cycle.response_complete:
            self.cycle.disconnected = True  # whoever waits for the rest hears that it stays away
            self.cycle.message_event.set()
        if speaks:
            self.transport.write_eof()
            self.loop.call_later(_LINGER_S, self.transport.close)
        else:
            self.transport.close()

    def _hot_route(self) -> HotRoute[Any] | None:
        """What may answer this request without the server's help.

        Not if something before it is still to be answered, or nobody reads the answers, or one of
        the same piece was answered so: who sends many at a time does not hold up the others.
        """
        routes: Mapping[bytes, HotRoute[Any]] = getattr(self.app, "hot", _NO_ROUTES)
        route = routes.get(self.url)
        if route is None or self.parser.get_method() != b"POST" or self.expect_100_continue:
            return None
        if self._begun or not self._may_answer():
            return None
        return route if self.parser.should_keep_alive() else None

    def _may_answer(self) -> bool:
        return self._is_idle() and not (self.flow.write_paused or self.transport.is_closing())

    def _begin(self, head: Head, body: bytes) -> bool:
        """Answer here, now or later; False, with nothing done, where the server must help."""
        begun = head.route.begin(head.asked, body)
        if begun is None:
            return False
        if isinstance(begun, Finished):
            self._answer(begun)
        else:
            self._wait_for(begun)
        return True

    def _wait_for_rest(self) -> None:
        """Go the long way after all, with what came so far."""
        early, self._route, self._early = self._early, None, b""
        super().on_headers_complete()
        super().on_body(early)

    def _wait_for(self, work: Awaitable[Finished]) -> None:
        under_way: Any = _UnderWay(self.scope)
        self.cycle = under_way
        task = self.loop.create_task(self._answer_later(work, under_way))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer_later(self, work: Awaitable[Finished], under_way: _UnderWay) -> None:
        done = await work
        under_way.response_complete = True
        if not self.transport.is_closing():
            self._answer(done)
            if not under_way.keep_alive:
                self.transport.close()

    def _answer(self, done: Finished) -> None:
        lines = [_begins(done.status, done.headers)]
        for name, value in self.server_state.default_headers:
            lines += (name, b": ", value, b"\r\n")
        transport: Any = self.transport
        transport.write_whole(
            b"%bcontent-length: %d\r\n\r\n%b" % (b"".join(lines), len(done.body), done.body)
        )
        if CLOSE in done.headers:
            self.transport.close()
        self.on_response_complete()

    def _is_idle(self) -> bool:
        """Whether every request that has begun was answered."""
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete)

    def _has_head(self) -> bool:
        cycle: Any = self.cycle
        return cycle is not None and cycle.scope is self.scope

    def _may_speak(self) -> bool:
        cycle: Any = self.cycle
        if cycle is None:
            return True
        if self._has_head():
            return not cycle.response_started and not self.pipeline
        return bool(cycle.response_complete)


@lru_cache(maxsize=64)
def _begins(status: int, headers: tuple[Header, ...]) -> bytes:
    lines = [STATUS_LINE[status]]
    for name, value in headers:
        lines += (name, b": ", value, b"\r\n")
    return b"".join(lines)
