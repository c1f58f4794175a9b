"""Two proxies on one port and two cortexes: leaders killed and paused, everybody replaced."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from tests.faults.stack import FaultStack
from tests.faults.trial import Trial, trial

pytestmark = pytest.mark.faults

GIVEN_UP_S = 30.0  # a busy machine's patience; without a successor's help the pause is for ever


async def test_a_standby_takes_over_from_a_killed_leader(pair: FaultStack) -> None:
    async with trial(pair, name="leader killed") as run:
        for name in ("cortex", "cortex-2"):
            await run.attempts(40)
            await run.does(pair.kill, name)
            await run.recovers()


async def test_a_leader_that_is_paused_is_replaced_and_writes_nothing_when_it_wakes(
    pair: FaultStack,
) -> None:
    async with trial(pair, name="leader paused") as run:
        for name in ("cortex", "cortex-2"):
            await run.attempts(40)
            await run.does(pair.send, name, signal.SIGSTOP)
            await run.recovers()  # the other one has learned
            await run.does(pair.send, name, signal.SIGCONT)
            await run.attempts(40)
            await run.recovers()


async def test_a_leader_paused_in_the_middle_of_a_step_is_replaced(pair: FaultStack) -> None:
    async with trial(pair, name="step paused") as run:
        await run.attempts(20)
        await run.does(pair.kill, "cortex-2")  # so that the first one leads what it led
        await run.does(pair.arm, "cortex", "ledger.before_commit:pause@3")
        armed = pair.pid("cortex")
        await run.does(wait_paused, pair, armed)
        await run.recovers()
        await run.does(pair.send_pid, armed, signal.SIGCONT)
        await run.attempts(40)
        await run.recovers()


async def test_a_leader_paused_inside_a_copy_is_replaced(pair: FaultStack) -> None:
    """No limit of Postgres ends a session there: its successor does."""
    wire = pair.wires["cortex-postgres"]
    async with trial(pair, name="copy paused") as run:
        await run.attempts(20)
        await run.does(pair.kill, "cortex-2")  # so that the first one leads what it led
        await run.recovers()
        paused = pair.pid("cortex")
        wire.mute_after = b'COPY "ledger"'
        await run.sees(lambda: wire.muted > 0, what="a COPY")
        await run.does(pair.send_pid, paused, signal.SIGSTOP)
        assert await run.recovers() < GIVEN_UP_S
        await run.does(pair.send_pid, paused, signal.SIGCONT)
        await run.attempts(40)
        await run.recovers()


def wait_paused(stack: FaultStack, pid: int) -> None:
    """Until the process has stopped itself; it does not when the other one leads everything."""
    ends = time.monotonic() + 10.0
    while stack.state_of(pid) != "T" and time.monotonic() < ends:
        time.sleep(0.02)
    if stack.state_of(pid) == "T":
        stack.send_pid(pid, signal.SIGSTOP)  # remembered, should the test fail


@pytest.mark.long
async def test_replacing_everybody_one_by_one_refuses_nobody(pair: FaultStack) -> None:
    """Old and new at once: the same code, in lives that overlap."""
    async with trial(pair, name="rolling") as run:
        await run.attempts(40)
        for name in ("cortex", "cortex-2", "proxy", "proxy-2"):
            before = pair.pid(name)
            await run.does(pair.send, name, signal.SIGTERM)
            await run.sees(lambda name=name, before=before: pair.ended(name, before), what="end")  # type: ignore[misc]
            await asyncio.to_thread(pair.wait_ready)
            await run.attempts(30)
        await run.recovers()
        assert_nobody_was_refused(run)


def assert_nobody_was_refused(run: Trial) -> None:
    unserved = [one for one in run.history.attempts if one.outcome != "ok"]
    assert unserved == [], unserved[:3]
