"""The heads that a connection has sent: a client repeats its own, byte for byte, all day long."""

from __future__ import annotations

from typing import Any, NamedTuple

from serving.proxy.http.hot import Asked, HotRoute

__all__ = ["Head", "Heads"]

_KEPT = 4  # bodies of different lengths make different heads
_LONGEST_BYTES = 4096
_END = b"\r\n\r\n"


class Head(NamedTuple):
    """A head that was read before: who answers, what it says, and how long its body is."""

    route: HotRoute[Any]
    asked: Asked
    body_bytes: int


class Heads:
    """The latest few of one connection; they are forgotten with it."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}

    def find(self, data: bytes) -> tuple[Head, bytes] | None:
        """A known head and its body, where ``data`` is exactly these two."""
        end = data.find(_END) + len(_END)
        head = self._known.get(data[:end])
        if head is None or len(data) - end != head.body_bytes:
            return None
        return head, data[end:]

    def remember(self, data: bytes, head: Head) -> None:
        """What was read from ``data``, if that was a head and its body and nothing else."""
        end = len(data) - head.body_bytes
        if end > _LONGEST_BYTES or data.find(_END) + len(_END) != end:
            return
        if len(self._known) >= _KEPT:
            del self._known[next(iter(self._known))]
        self._known[data[:end]] = head
