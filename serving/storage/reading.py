"""From stream entries to events, up to a limit and past whatever is damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from qbrix.errors import StateMismatch
from serving.storage.base import Read

__all__ = ["reaches", "unpack_entries"]

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


def reaches(passed: str, position: str) -> bool:
    """Whether who has passed ``passed`` has passed ``position`` of the same stream."""
    return _numbers(passed) >= _numbers(position)


def _numbers(position: str) -> tuple[int, ...]:
    return tuple(map(int, position.split("-")))
