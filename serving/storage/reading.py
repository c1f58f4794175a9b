"""From stream entries to events, up to a limit and past whatever is damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from qbrix.errors import StateMismatch
from serving.storage.base import Read

__all__ = ["unpack_entries"]

E = TypeVar("E")


def unpack_entries(
    entries: Iterable[tuple[str, bytes]],
    unpack: Callable[[bytes], list[E]],
    *,
    after: str,
    limit: int,
) -> Read[E]:
    """Whole entries until ``limit`` events are reached."""
    events: list[E] = []
    damaged: list[bytes] = []
    position = after
    for place, entry in entries:
        try:
            events += unpack(entry)
        except StateMismatch:
            damaged.append(entry)
        position = place
        if len(events) >= limit:
            break
    return Read(events=events, position=position, damaged=damaged)
