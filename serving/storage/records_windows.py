"""Records of attribution windows: how far they are closed, and what the ledger holds of them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from qbrix.ledger import Disposition
from serving.storage.records import FeedbackEvent

__all__ = ["BEFORE_ALL", "SENT", "Progress", "StoredRow", "Window"]


SENT = frozenset(
    (
        Disposition.FOLDED,
        Disposition.GATE,
        Disposition.LATE,
        Disposition.OLD_EPOCH,
        Disposition.HELD,
    )
)
"""Rows that somebody sent as a reward and did not take back first: insight counts these."""


class Progress(NamedTuple):
    """Up to which decision the windows are closed, in the order of time and id, inclusive."""

    decided_ms: int
    decision_id: str

    def reached(self, decided_ms: int, decision_id: str) -> bool:
        """Whether this decision's window is closed."""
        return (decided_ms, decision_id) <= self


BEFORE_ALL = Progress(-(2**62), "0" * 32)
"""Nothing is closed yet."""


class Window(msgspec.Struct, frozen=True):
    """An experiment that learns something when windows close."""

    experiment: str
    progress: Progress | None


class StoredRow(msgspec.Struct, frozen=True):
    """One row of the ledger: a reward or what became of one, and the version that took it in."""

    event: FeedbackEvent
    disposition: int
    version: int
