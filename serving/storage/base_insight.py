"""The protocol of insight: sums over the decision log and the ledger."""

from __future__ import annotations

from typing import Protocol

import msgspec

__all__ = ["HOUR_MS", "MINUTE_MS", "Insight", "RewardSum", "SelectionSum", "Span"]

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
"""What the sums that are kept beside the log are cut into."""


class Span(msgspec.Struct, frozen=True):
    """Times in milliseconds, the start included and the end not; None is open."""

    start_ms: int | None = None
    end_ms: int | None = None

    def holds(self, at_ms: int) -> bool:
        """Whether a time lies in it."""
        after = self.start_ms is None or at_ms >= self.start_ms
        return after and (self.end_ms is None or at_ms < self.end_ms)

    @property
    def whole(self) -> bool:
        """Whether it is all of time."""
        return self.start_ms is None and self.end_ms is None


class SelectionSum(msgspec.Struct, frozen=True):
    """Decisions of one arm in one interval; ``defaults`` were not the policy's."""

    start_ms: int
    arm: int
    selections: int
    defaults: int
    first_ms: int
    last_ms: int


class RewardSum(msgspec.Struct, frozen=True):
    """Rewards of one arm that came in one interval."""

    start_ms: int
    arm: int
    count: int
    total: float
    smallest: float
    largest: float


class Insight(Protocol):
    """What was decided and what came of it; every archived row counts once."""

    async def selections(
        self, experiment: str, *, span: Span, interval_ms: int | None
    ) -> list[SelectionSum]:
        """Per interval (a multiple of ``interval_ms`` since 1970; None: all in one) and arm, in
        order; what is empty is left out.
        """
        ...

    async def rewards(
        self, experiment: str, *, span: Span, interval_ms: int | None
    ) -> list[RewardSum]:
        """The same of rewards, by the time at which they came."""
        ...

    async def contexts(self, experiment: str, *, span: Span) -> int:
        """How many different context ids were decided for, as far as the log knows them.

        All of time is exact; so is a span with few decisions or few units. Of a large one it is an
        estimate with a relative standard error of at most 2 %.
        """
        ...
