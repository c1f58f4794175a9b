"""Redis killed, emptied, full, slow and silent, with clients at work."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from tests.faults.stack import FaultStack
from tests.faults.tcp import FaultyWire
from tests.faults.trial import Trial, trial

pytestmark = pytest.mark.faults

OUTAGE_ATTEMPTS = 30


async def test_redis_killed_and_started_again_has_everything(stack: FaultStack) -> None:
    async with trial(stack, name="redis killed") as run:
        await run.attempts(60)
        await run.does(stack.valkey.kill)
        await run.attempts(OUTAGE_ATTEMPTS)
        assert selects_go_on(run)
        await run.does(stack.valkey.start)
        await run.recovers()
        await run.attempts(40)


@pytest.mark.parametrize(
    "loss",
    [
        pytest.param("FLUSHALL", marks=pytest.mark.long),  # random runs do it too
        *("no data directory", "while cortex is away"),
    ],
)
async def test_what_redis_loses_the_proxies_send_again(stack: FaultStack, loss: str) -> None:
    async with trial(stack, name=f"redis {loss}") as run:
        await run.attempts(60)
        if loss == "while cortex is away":  # so that much of it is in Redis only
            await run.does(stack.wires["cortex-redis"].refuse)
            await run.attempts(60)
        await run.does(empty if loss == "no data directory" else flush, stack)
        run.mark("redis lost its data")
        stack.wires["cortex-redis"].heal()
        await run.recovers()
        await run.attempts(40)


async def test_only_redis_and_the_proxy_together_lose_what_was_acknowledged(
    stack: FaultStack,
) -> None:
    async with trial(stack, name="redis and proxy") as run:
        await run.attempts(40)
        await run.does(stack.wires["cortex-redis"].refuse)
        await run.attempts(60)
        await run.does(stack.kill, "proxy")
        run.mark("proxy died")
        await run.does(flush, stack)
        run.mark("redis lost its data")
        stack.wires["cortex-redis"].heal()
        await run.recovers()
        await run.attempts(40)
    assert run.verdict is not None
    assert run.verdict.lost_with_redis_and_proxy > 0


async def test_a_full_redis_refuses_feedback_and_nothing_else(stack: FaultStack) -> None:
    async with trial(stack, name="redis full") as run:
        await run.attempts(60)
        await run.does(limit_memory, stack, 1)
        await run.attempts(OUTAGE_ATTEMPTS)
        assert selects_go_on(run)
        refused = [one.status for one in run.history.attempts[-10:] if one.kind == "feedback"]
        assert set(refused) <= {503}, refused
        await run.does(limit_memory, stack, 0)
        await run.recovers()
        await run.attempts(40)


WIRES: dict[str, Callable[[FaultyWire], object]] = {
    "half-open": lambda wire: setattr(wire, "half_open", True),
    "slow": lambda wire: setattr(wire, "latency_s", 0.2),
    "reset": lambda wire: wire.reset(),
    "cut": lambda wire: setattr(wire, "cut_after_bytes", 300),
}


@pytest.mark.parametrize("role", ["proxy", pytest.param("cortex", marks=pytest.mark.long)])
@pytest.mark.parametrize("fault", WIRES)
async def test_a_bad_wire_to_redis_loses_nothing(stack: FaultStack, fault: str, role: str) -> None:
    wire = stack.wires[f"{role}-redis"]
    async with trial(stack, name=f"{fault} wire of {role}") as run:
        await run.attempts(40)
        for _ in range(3 if fault in ("reset", "cut") else 1):
            run.mark("fault", fault)
            WIRES[fault](wire)
            await run.attempts(OUTAGE_ATTEMPTS)
        wire.heal()
        await run.recovers()
        await run.attempts(40)


def selects_go_on(run: Trial) -> bool:
    """Whether the last decisions were made."""
    last = [one for one in run.history.attempts[-OUTAGE_ATTEMPTS:] if one.kind == "select"]
    return bool(last) and all(one.outcome == "ok" for one in last)


def empty(stack: FaultStack) -> None:
    stack.empty_redis()


def flush(stack: FaultStack) -> None:
    with redis.Redis.from_url(stack.valkey.url) as connection:
        connection.flushall()


def limit_memory(stack: FaultStack, limit_bytes: int) -> None:
    with redis.Redis.from_url(stack.valkey.url) as connection:
        connection.config_set("maxmemory", limit_bytes)
