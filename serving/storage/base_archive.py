"""The protocol of the archive: what is kept for how long, and what could not be learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from serving.storage.records import DeadLetter

__all__ = ["Archive", "Retention", "Tended"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """How long things are kept, in ms; None is for ever.

    What is partitioned goes by whole months, when the last moment of a month is that old.
    ``restore_after_ms`` is how long a decision's place in the log is left to its proxy.
    """

    keys_ms: int
    decisions_ms: int | None = None
    ledger_ms: int | None = None
    restore_after_ms: int = 60_000

    def restore_until(self, now_ms: int, unread_ms: int | None) -> int:
        """Decisions of rewards that were committed before this time are in the log, or lost."""
        until_ms = now_ms - self.restore_after_ms
        return until_ms if unread_ms is None else min(until_ms, unread_ms)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tended:
    """What one round did."""

    partitions: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    pruned_keys: int = 0
    restored: int = 0
    sketched: int = 0

    def __bool__(self) -> bool:
        return self != Tended()


class Archive(Protocol):
    """Upkeep of ledger and decision log, and dead letters; every process may call it."""

    async def tend(self, keep: Retention, *, now_ms: int, unread_ms: int | None = None) -> Tended:
        """Make the partitions of this month and the next, forget what need not be kept, put
        decisions into the log that only their feedback tells of, and sum up what is past.

        What was decided at ``unread_ms`` or later may still come by a stream, and is not put back
        yet. Nothing happens while another process is at it.
        """
        ...

    async def decisions_lost(self) -> int:
        """How many numbers of decisions are missing before the last one that each proxy sent."""
        ...

    async def dead_letters(
        self, experiment: str | None, *, limit: int, before: int | None = None
    ) -> list[DeadLetter]:
        """Newest first, from the one before an id on; None is every experiment."""
        ...

    async def dead_letter(self, letter_id: int) -> DeadLetter:
        """Raises NotFound (``dead letter``)."""
        ...

    async def mark_redriven(self, letter_ids: Sequence[int]) -> None:
        """Note that these are on their way again; the first time counts."""
        ...
