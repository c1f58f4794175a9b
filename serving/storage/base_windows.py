"""The protocol of what closes windows and takes rewards back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from serving.storage.records import DecisionEvent, StateRecord
from serving.storage.records_windows import Progress, StoredRow, Window

__all__ = ["Windows"]


class Windows(Protocol):
    """Reads of the ledger that only the holder of a shard's lease asks for."""

    async def windows(self, shard: int) -> list[Window]:
        """The live experiments of a shard that learn something when windows close, or did."""
        ...

    async def closing(
        self, experiment: str, *, epoch: int, after: Progress, until_ms: int, limit: int
    ) -> list[DecisionEvent]:
        """Decisions of the policy behind ``after`` and decided by ``until_ms``, once each.

        They are those of the log and those of which the ledger holds rewards that wait, in the
        order of time and id; fewer than ``limit`` when there are no more.
        """
        ...

    async def rows_of(self, experiment: str, decision_ids: Sequence[str]) -> list[StoredRow]:
        """All rows of the ledger about these decisions, in its order."""
        ...

    async def checkpoint(self, experiment: str, *, epoch: int, at_most: int) -> StateRecord | None:
        """The latest state of the epoch kept from a version of ``at_most`` or before."""
        ...

    async def epoch_start(self, experiment: str, epoch: int) -> int:
        """The version that began an epoch."""
        ...
