"""Times as the ledger keeps them, and what cortex measures by a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Timing", "now_ms"]


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """How long things may take.

    A window is closed ``window_grace_s`` after its end by ``clock`` (in milliseconds), so that what
    a proxy took in time is on its way no more. Cortex is not healthy while an event waits for
    longer than ``behind_limit_s``.
    """

    clock: Callable[[], int] = now_ms
    window_grace_s: float = 5.0
    behind_limit_s: float = 60.0
