"""Motors of their own, killed, paused and cut off, with clients at work."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from serving.wire.motor_client import MotorClient
from serving.wire.motor_stream import Decided
from serving.wire.selection import Outcome, Query
from tests.faults.stack import FaultStack
from tests.faults.trial import PATIENCE_S, Trial, trial

pytestmark = pytest.mark.faults

FAULT_ATTEMPTS = 60


@pytest.fixture(scope="module")
def _split(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultStack]:
    """A proxy, two motors, a cortex."""
    made = FaultStack(tmp_path_factory.mktemp("split"), motors=2).start()
    yield made
    made.stop()


@pytest.fixture
def split(_split: FaultStack) -> Iterator[FaultStack]:
    """The module's split stack."""
    yield _split
    _split.mend()


FAULTS: dict[str, Callable[[FaultStack], object]] = {
    "killed": lambda stack: stack.kill("motor"),
    "paused": lambda stack: stack.send("motor", signal.SIGSTOP),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_selection_goes_on_with_the_other_motor(split: FaultStack, fault: str) -> None:
    async with trial(split, name=f"motor {fault}") as run:
        await run.attempts(40)
        run.mark("fault", fault)
        FAULTS[fault](split)
        await run.attempts(FAULT_ATTEMPTS)
        assert_everybody_was_served(run)
        split.mend()
        await run.recovers()


async def test_motors_without_stores_go_on_with_what_they_have(split: FaultStack) -> None:
    async with trial(split, name="motors cut off") as run:
        await run.attempts(40)
        for name in ("motor", "motor-2"):
            await ask_about_everything(run, split.motor_address(name))
        for store in ("postgres", "redis"):
            split.wires[f"motor-{store}"].refuse()
            run.mark("fault", f"no {store}")
        await run.attempts(FAULT_ATTEMPTS)
        assert_everybody_was_served(run)
        for store in ("postgres", "redis"):
            split.wires[f"motor-{store}"].heal()
        await run.recovers()


async def ask_about_everything(run: Trial, address: str) -> None:
    """So that this motor has every state, whomever the proxy has asked so far."""
    client = MotorClient(address, deadline_s=PATIENCE_S)
    await client.start()
    queries = [
        Query(run.secrets.tenant, one.id, uuid4().hex, bytes(8 * one.dim))
        for one in run.experiments
    ]
    answers: list[Decided] = []
    async with asyncio.timeout(PATIENCE_S):
        while not answers or not all(isinstance(answer, Outcome) for answer in answers):
            answers = await client.decide(queries)
    await client.stop()


@pytest.mark.long
async def test_all_motors_killed_at_once_come_back(split: FaultStack) -> None:
    async with trial(split, name="motors killed") as run:
        await run.attempts(40)
        for name in ("motor", "motor-2"):
            await run.does(split.kill, name)
        await run.attempts(FAULT_ATTEMPTS)
        await run.recovers()


def assert_everybody_was_served(run: Trial) -> None:
    unserved = [one for one in run.history.of("select") if one.outcome != "ok"]
    assert unserved == [], unserved[:3]
