"""Waiting for what has to come: one patience for all tests, which a slow machine does not tire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

__all__ = ["PATIENCE_S", "PATIENT", "eventually", "until"]

PATIENCE_S = 60.0  # what never comes fails after it; nothing that comes is timed by it
_LOOK_S = 0.01

# In the environment of roles: whoever can wait does, where how fast a machine is says nothing.
_HURRIED = ("MOTOR_LOAD_DEADLINE", "PROXY_CONTROL_WAIT", "PROXY_INTAKE_DEADLINE")
PATIENT = {f"{name}_S": str(PATIENCE_S) for name in (*_HURRIED, "PROXY_MOTOR_DEADLINE")}


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
