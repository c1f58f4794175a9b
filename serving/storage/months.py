"""The months of UTC, in which ledger and decision log are kept and forgotten."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["month_start_ms"]


def month_start_ms(at_ms: int) -> int:
    """The first moment of the month of a time."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return round(datetime(at.year, at.month, 1, tzinfo=UTC).timestamp() * 1000)
