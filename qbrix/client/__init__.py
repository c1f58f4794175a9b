"""The serving system from the notebook."""

from __future__ import annotations

from qbrix.client.answers import (
    Arm,
    Experiment,
    FeedbackResult,
    Pool,
    Promotion,
    Selection,
    ServedState,
)
from qbrix.client.client import Client
from qbrix.client.history import Change

__all__ = [
    "Arm",
    "Change",
    "Client",
    "Experiment",
    "FeedbackResult",
    "Pool",
    "Promotion",
    "Selection",
    "ServedState",
]
