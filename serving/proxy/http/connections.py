"""Connections of clients that take their time, or send without end: cut off, with a word.

The server itself knows no limit for a request's head, nor for the time that head and body take.
Looking around now and then costs the requests nothing; the head's bytes are counted only while
it is not complete.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.errors import Answer
from serving.proxy.http.hot import encode_error

__all__ = ["Connection", "Patience"]

Part = Literal["greeting", "head", "body"]

_HEAD_LIMIT_BYTES = 128 << 10
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
_TOO_SLOW = Answer(
    status=408,
    code="REQUEST_TIMEOUT",
    detail="the request did not arrive in time; send it at once",
    grpc="DEADLINE_EXCEEDED",
)


class Connection(HttpToolsProtocol):
    """One client's; a request that cannot be read is answered as every other error is."""

    _whole: Any = None  # the scope of the latest request that arrived to its end
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head that is not complete."""
        super().data_received(data)
        if self.scope is self._whole or self._has_head():
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > _HEAD_LIMIT_BYTES and not self.transport.is_closing():
            self.refuse(_TOO_LONG)

    def on_message_complete(self) -> None:
        """The client owes nothing any more, answered or not."""
        self._whole = self.scope
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """In the form of all errors."""
        self.refuse(_UNREADABLE)

    def awaited(self) -> tuple[Part, object] | None:
        """What the client owes us, and of which request."""
        scope: Any = self.scope
        if self.transport.is_closing():
            return None
        if scope is None:
            return "greeting", self
        if scope is self._whole:
            return None
        return ("body" if self._has_head() else "head"), scope

    def refuse(self, answer: Answer) -> None:
        """Say why, unless another answer is under way, and hang up."""
        if self._may_speak():
            body = encode_error(answer)
            head = (
                b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
                b"connection: close\r\n\r\n" % (answer.status, _REASONS[answer.status], len(body))
            )
            self.transport.write(head + body)
        if self._has_head() and not self.cycle.response_complete:
            self.cycle.disconnected = True  # whoever waits for the rest hears that it stays away
            self.cycle.message_event.set()
        self.transport.close()

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


@dataclass(kw_only=True, slots=True)
class Patience:
    """How long a client may take with each part of a request."""

    limits_s: dict[Part, float]
    _waiting: dict[Connection, tuple[object, float]] = field(default_factory=dict)

    def look(self, connections: Iterable[object]) -> None:
        """Hang up on whoever has owed the same for too long, counted from the first look."""
        now_s = time.monotonic()
        waiting: dict[Connection, tuple[object, float]] = {}
        for connection in list(connections):
            assert isinstance(connection, Connection)
            owed = connection.awaited()
            if owed is None:
                continue
            part, request = owed
            before, began_s = self._waiting.get(connection, (None, now_s))
            if before is not request:
                began_s = now_s
            if now_s - began_s > self.limits_s[part]:
                connection.refuse(_TOO_SLOW)
            else:
                waiting[connection] = (request, began_s)
        self._waiting = waiting
