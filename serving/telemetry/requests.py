"""The name of a request: what the caller calls it, through every role and log line.

``X-Request-ID`` wins; else the trace id of a ``traceparent`` (W3C Trace Context); else one of ours.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from itertools import count

__all__ = ["RequestNames", "begin_request", "current_request", "given_name"]

_LONGEST = 128
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_NO_TRACE = "0" * 32

_request: ContextVar[str] = ContextVar("request", default="")

begin_request: Callable[[str], object] = _request.set
"""From now on, in this context, this request is served; empty when none is."""

current_request: Callable[[], str] = _request.get
"""The name of the request that is being served, or nothing."""


def given_name(request_id: str | None, traceparent: str | None = None) -> str:
    """What the caller calls the request, if that is decent; else nothing."""
    if request_id and len(request_id) <= _LONGEST and _is_decent(request_id):
        return request_id
    if traceparent and (found := _TRACEPARENT.fullmatch(traceparent)):
        return "" if found[1] == _NO_TRACE else found[1]
    return ""


class RequestNames:
    """Names for requests that came without: told apart over all processes, and cheap."""

    __slots__ = ("_life", "_numbers")

    def __init__(self) -> None:
        self._life = secrets.token_hex(8)
        self._numbers = count(1)

    def next(self) -> str:
        """32 characters, hexadecimal."""
        return f"{self._life}{next(self._numbers):016x}"


def _is_decent(name: str) -> bool:
    return name.isascii() and name.isprintable() and not name.isspace()
