"""Two proxies on one port and two cortexes: leaders killed and paused, everybody replaced."""

from __future__ import annotations

import signal

import pytest

from tests.faults.stack import FaultStack, until
from tests.faults.trial import trial

pytestmark = pytest.mark.faults


async def test_a_standby_takes_over_from_a_killed_leader(pair: FaultStack) -> None:
    async with trial(pair, name="leader killed") as run:
        for name in ("cortex", "cortex-2"):
            await run.attempts(40)
            await run.does(pair.kill, name)
            await run.recovers()


async def test_a_leader_that_is_paused_is_replaced_and_writes_nothing_when_it_wakes(
    pair: FaultStack,
) -> None:
    """Inside a COPY no limit of Postgres ends its session: the successor does."""
    wire = pair.wires["cortex-postgres"]
    async with trial(pair, name="leader paused") as run:
        await run.leads_alone("cortex-2")
        wire.mute_after = b'COPY "ledger"'
        await run.sees(lambda: wire.muted > 0, what="a COPY")
        wire.muted = 0
        await run.does(pair.send, "cortex-2", signal.SIGSTOP)
        await run.recovers()  # without a successor's help it never would
        await run.does(pair.send, "cortex-2", signal.SIGCONT)
        await run.attempts(40)
        await run.recovers()


@pytest.mark.long
async def test_a_leader_paused_before_it_commits_is_replaced(pair: FaultStack) -> None:
    async with trial(pair, name="step paused") as run:
        await run.does(pair.arm, "cortex", "ledger.before_commit:pause@3")
        armed = pair.pid("cortex")
        await run.does(pair.send, "cortex-2", signal.SIGSTOP)  # so that the other one leads
        await run.does(wait_paused, pair, armed)
        await run.does(pair.send, "cortex-2", signal.SIGCONT)
        await run.recovers()
        await run.does(pair.send_pid, armed, signal.SIGCONT)
        await run.attempts(40)
        await run.recovers()


def wait_paused(stack: FaultStack, pid: int) -> None:
    """Until the process has stopped itself; the stack wakes it, should the test fail."""
    until(lambda: stack.state_of(pid) == "T", what="the leader pauses")
    stack.send_pid(pid, signal.SIGSTOP)
