"""Everything that can go wrong, at random, repeatable by its seed; QBRIX_FAULT_RUNS times."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
import redis

from tests.faults.stack import FaultStack
from tests.faults.trial import Trial, trial

pytestmark = pytest.mark.faults

RUNS = int(os.environ.get("QBRIX_FAULT_RUNS", "5"))
FIRST_SEED = int(os.environ.get("QBRIX_FAULT_SEED", "1"))
FAULTS_PER_RUN = 4
LONGEST_S = 1.0
ROLES, STORES = ("proxy", "cortex"), ("postgres", "redis")

Fault = Callable[[Trial, np.random.Generator], Awaitable[None]]


async def kill_a_role(run: Trial, rng: np.random.Generator) -> None:
    await run.does(run.stack.kill, str(rng.choice(sorted(run.stack.roles))))


async def kill_the_cortex(run: Trial, rng: np.random.Generator) -> None:
    await run.does(run.stack.kill, "cortex")


async def kill_redis(run: Trial, rng: np.random.Generator) -> None:
    await run.does(run.stack.valkey.kill)
    await a_while(rng)
    await run.does(run.stack.valkey.start)


async def kill_postgres(run: Trial, rng: np.random.Generator) -> None:
    await run.does(run.stack.postgres.kill)
    await a_while(rng)
    await run.does(run.stack.postgres.start)


async def kill_everything(run: Trial, rng: np.random.Generator) -> None:
    stack = run.stack
    for kill in (stack.valkey.kill, stack.postgres.kill):
        await run.does(kill)
    for name in sorted(stack.roles):
        await run.does(stack.kill, name)
    await a_while(rng)
    await run.does(stack.postgres.start)
    await run.does(stack.valkey.start)


async def empty_redis(run: Trial, rng: np.random.Generator) -> None:
    await run.does(flush, run.stack)
    run.mark("redis lost its data")


async def pause_a_role(run: Trial, rng: np.random.Generator) -> None:
    name = str(rng.choice(sorted(run.stack.roles)))
    pid = run.stack.pid(name)
    await run.does(run.stack.send_pid, pid, signal.SIGSTOP)
    await a_while(rng)
    await run.does(run.stack.send_pid, pid, signal.SIGCONT)


async def pause_the_cortex(run: Trial, rng: np.random.Generator) -> None:
    pid = run.stack.pid("cortex")
    await run.does(run.stack.send_pid, pid, signal.SIGSTOP)
    await asyncio.sleep(2.5)  # longer than the lease
    await run.does(run.stack.send_pid, pid, signal.SIGCONT)


async def break_a_wire(run: Trial, rng: np.random.Generator) -> None:
    name = str(rng.choice([f"{role}-{store}" for role in ROLES for store in STORES]))
    wire = run.stack.wires[name]
    fault = str(rng.choice(["reset", "refuse", "half-open", "slow", "cut", "deaf"]))
    run.mark("fault", f"{fault} {name}")
    if fault in ("reset", "refuse"):
        (wire.reset if fault == "reset" else wire.refuse)()
    wire.half_open = fault == "half-open"
    wire.latency_s = 0.1 if fault == "slow" else 0.0
    wire.cut_after_bytes = int(rng.integers(2000)) + 1 if fault == "cut" else None
    wire.deaf_after = b"COMMIT" if fault == "deaf" else None
    await a_while(rng)
    wire.heal()


async def step_the_clock(run: Trial, rng: np.random.Generator) -> None:
    ahead_s = {name: float(rng.choice([-3600.0, 3600.0])) for name in sorted(run.stack.roles)}
    run.mark("fault", f"clock {ahead_s}")
    run.stack.set_clock(**ahead_s)


ALWAYS: tuple[Fault, ...] = (
    *(kill_redis, kill_postgres, kill_the_cortex, pause_a_role, pause_the_cortex),
    *(break_a_wire, break_a_wire, step_the_clock),
)
# Together they may lose what was acknowledged; so a run has the one kind or the other.
EITHER: tuple[tuple[Fault, ...], ...] = ((kill_a_role, kill_everything), (empty_redis,))


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + RUNS))
async def test_whatever_happens_nothing_is_lost_or_counted_twice(
    stack: FaultStack, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    kinds = ALWAYS + EITHER[seed % 2] * 2
    async with trial(stack, name="random", seed=seed) as run:
        await run.attempts(40)
        for number in rng.integers(len(kinds), size=FAULTS_PER_RUN).tolist():
            await kinds[number](run, rng)
            if rng.random() < 0.5:  # else the next one comes before this one is over
                await run.attempts(30)
        await run.recovers()
        await run.attempts(40)
    assert run.verdict is not None
    assert run.verdict.lost_with_redis_and_proxy == 0


async def a_while(rng: np.random.Generator) -> None:
    await asyncio.sleep(rng.random() * LONGEST_S)


def flush(stack: FaultStack) -> None:
    with redis.Redis.from_url(stack.valkey.url) as connection:
        connection.flushall()
