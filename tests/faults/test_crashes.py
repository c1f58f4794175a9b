"""kill -9 at every named point of the roles, with clients at work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import serving
from tests.faults.stack import FaultStack
from tests.faults.trial import trial

# Which role passes the point, and at which passage it dies; `tests/cortex/test_crashes.py` kills
# at each of cortex's points too, without clients.
POINTS = {
    "intake.before_write": ("proxy", 20),
    "intake.after_write": ("proxy", 20),
    "cortex.before_step": ("cortex", 5),
    "cortex.after_known": ("cortex", 5),
    "cortex.after_fold": ("cortex", 5),
    "ledger.after_batches": ("cortex", 5),
    "ledger.after_keys": ("cortex", 5),
    "ledger.after_rows": ("cortex", 5),
    "ledger.before_commit": ("cortex", 5),
    "cortex.after_commit": ("cortex", 5),
    "cortex.before_publish": ("cortex", 30),
    "cortex.after_publish": ("cortex", 30),
    "cortex.after_trim": ("cortex", 5),
}
# Passed by control changes and closing windows only: `tests/cortex` kills there.
ELSEWHERE = ("cortex.control_", "cortex.closing_")


def test_every_failpoint_is_tried() -> None:
    source = Path(serving.__file__).parent
    named = {
        name
        for file in source.rglob("*.py")
        for name in re.findall(r'failpoint\("([^"]+)"\)', file.read_text("utf-8"))
    }
    assert {name for name in named if not name.startswith(ELSEWHERE)} == set(POINTS)


def _tried(point: str) -> object:
    """Cortex dies at each point in other tests, without clients; a proxy best after its write."""
    often = point in ("intake.after_write", "cortex.after_commit")
    return pytest.param(point, marks=[] if often else pytest.mark.long)


@pytest.mark.faults
@pytest.mark.parametrize("point", [_tried(point) for point in POINTS])
async def test_whoever_is_killed_anywhere_loses_nothing(stack: FaultStack, point: str) -> None:
    role, passage = POINTS[point]
    async with trial(stack, name=point) as run:
        await run.attempts(40)
        await run.does(stack.arm, role, f"{point}:kill@{passage}")
        await run.sees(stack.serves, what="the proxy serves again")
        armed = stack.pid(role)
        await run.sees(lambda: stack.ended(role, armed), what=f"{role} dies at {point}")
        await run.recovers()
        await run.attempts(40)
