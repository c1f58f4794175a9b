"""How long a client may take; who takes longer is cut off, with a word.

The server itself knows no limit for the time that a head and a body take, and pays for a timer with
every answer. Looking around now and then costs the requests nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from serving.errors import Answer
from serving.proxy.http.connections import Connection, Part

__all__ = ["Patience"]

_TOO_SLOW = Answer(
    status=408,
    code="REQUEST_TIMEOUT",
    detail="the request did not arrive in time; send it at once",
    grpc="DEADLINE_EXCEEDED",
)


@dataclass(kw_only=True, slots=True)
class Patience:
    """With each part of a request, and with the next one."""

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
            if now_s - began_s <= self.limits_s[part]:
                waiting[connection] = (request, began_s)
            elif part == "next":
                connection.transport.close()  # a word would pass for the answer to what is sent now
            else:
                connection.refuse(_TOO_SLOW)
        self._waiting = waiting
