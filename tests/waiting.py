"""Waiting for what has to come: one patience for all tests, which a slow machine does not tire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

__all__ = ["PATIENCE_S", "eventually", "until"]

PATIENCE_S = 60.0  # what never comes fails after it; nothing that comes is timed by it
_LOOK_S = 0.01


def until(holds: Callable[[], bool], *, evidence: Callable[[], str] = str) -> None:
    """Return when it holds; fail with the evidence when it never does."""
    ends_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < ends_s, evidence()
        time.sleep(_LOOK_S)


async def eventually(holds: Callable[[], bool]) -> None:
    """Return when it holds, while everything else of this event loop goes on."""
    ends_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < ends_s
        await asyncio.sleep(_LOOK_S)
