"""Feedback ids of rows that are no rewards."""

from __future__ import annotations

__all__ = ["CLOSE", "RESERVED", "correction_id", "retraction_id", "retraction_target"]

RESERVED = "\x1f"
"""Their first character; no caller can send a reward under such a name."""

CLOSE = f"{RESERVED}close"
"""Closes a decision's window; there is one such row, by the ledger's keys."""

_RETRACT = f"{RESERVED}retract:"


def retraction_id(feedback_id: str) -> str:
    """Takes back the reward ``feedback_id``."""
    return _RETRACT + feedback_id


def retraction_target(feedback_id: str) -> str | None:
    """The reward that a row takes back; None when it takes back nothing."""
    return feedback_id[len(_RETRACT) :] if feedback_id.startswith(_RETRACT) else None


def correction_id(feedback_id: str) -> str:
    """Closes a window again once ``feedback_id`` was taken back."""
    return f"{CLOSE}:{feedback_id}"
