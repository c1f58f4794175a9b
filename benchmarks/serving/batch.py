"""``python -m benchmarks.serving.batch``: decisions a second when many are asked for at once.

Motor is asked in this process, from a prepared state; REST through a fused stack, one connection,
in batches. Times are processor time of whoever decides, the best of several turns.
"""

from __future__ import annotations

import asyncio
import json
import math
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.results import markdown_table, write_section
from benchmarks.serving.measuring import Target, run
from qbrix.bundle import BundleResolver, TrustedKeys
from qbrix.ledger import Batch, Configuration, Control, PolicyRef, genesis
from qbrix.policies import get
from qbrix.registry import identifier
from serving.loading import PolicyLoader
from serving.motor.service import Motor
from serving.publishing import state_record
from serving.settings import MotorSettings
from serving.stack import Stack
from serving.storage.memory import memory_stores
from serving.wire.selection import Outcome, Query

ARMS = 10
TOGETHER = 1000
TURNS = 20
TENANT, EXPERIMENT = "0" * 32, "1" * 32


@dataclass(frozen=True, kw_only=True)
class Case:
    """Who decides about what, and how fast it should be."""

    policy: str
    dim: int
    motor_bar: float
    rest_bar: float | None


CASES = (
    Case(policy="BetaTSPolicy", dim=0, motor_bar=300_000.0, rest_bar=60_000.0),
    Case(policy="LinUCBPolicy", dim=20, motor_bar=50_000.0, rest_bar=None),
)


@dataclass(frozen=True, kw_only=True)
class Heavy:
    """Whose single decision is dear, and how long 99 of 100 may take."""

    policy: str
    arms: int
    dim: int
    bar_ms: float


HEAVY = Heavy(policy="LinUCBPolicy", arms=100, dim=64, bar_ms=5.0)


def main() -> None:
    took_ms = asyncio.run(_alone(HEAVY))
    alone = markdown_table(
        ["one decision at motor", "p50 ms", "p99 ms", "bar"],
        [
            [
                f"{HEAVY.policy}, K = {HEAVY.arms}, d = {HEAVY.dim}",
                *(f"{np.percentile(took_ms, share):.2f}" for share in (50, 99)),
                f"< {HEAVY.bar_ms:g}",
            ]
        ],
    )
    rows = []
    with tempfile.TemporaryDirectory() as directory, Stack(Path(directory)) as stack:
        for case in CASES:
            motor, rest = _at_motor(case), _over_rest(stack, case)
            name = f"{case.policy}, K = {ARMS}" + (f", d = {case.dim}" if case.dim else "")
            bar = "" if case.rest_bar is None else f"≥ {case.rest_bar:,.0f}"
            rows.append([name, f"{motor:,.0f}", f"≥ {case.motor_bar:,.0f}", f"{rest:,.0f}", bar])
    table = markdown_table(["decisions/s", "motor", "bar", "through REST", "bar"], rows)
    print(table, alone, sep="\n\n")
    write_section(
        "batch",
        title="Many decisions at once",
        command="python -m benchmarks.serving.batch",
        body=f"{TOGETHER} at once; decisions per second of processor time of motor in-process, "
        "and of the proxy that seals a token, logs and answers in JSON besides.\n\n"
        f"{table}\n\n{TOGETHER} decisions one after the other, wall time, state prepared:"
        f"\n\n{alone}",
    )


def _at_motor(case: Case) -> float:
    return asyncio.run(_motor_speed(case))


async def _motor_speed(case: Case) -> float:
    queries = _queries(TOGETHER, case.dim)
    best_s = math.inf
    async with _motor(case.policy, n_arms=ARMS, dim=case.dim) as motor:
        for _ in range(TURNS):
            started_s = time.process_time()
            answers = await motor.decide(queries)
            best_s = min(best_s, time.process_time() - started_s)
            assert all(isinstance(answer, Outcome) for answer in answers)
    return len(queries) / best_s


async def _alone(heavy: Heavy) -> list[float]:
    """Milliseconds of wall time of decisions that are asked for one after the other."""
    took_ms = []
    async with _motor(heavy.policy, n_arms=heavy.arms, dim=heavy.dim) as motor:
        for query in _queries(TOGETHER, heavy.dim):
            started_s = time.perf_counter()
            (answer,) = await motor.decide([query])
            took_ms.append(1000 * (time.perf_counter() - started_s))
            assert isinstance(answer, Outcome)
    return took_ms


def _queries(count: int, dim: int) -> list[Query]:
    rng = np.random.default_rng(1)
    return [
        Query(TENANT, EXPERIMENT, f"{index:032x}", rng.standard_normal(dim).tobytes())
        for index in range(count)
    ]


@asynccontextmanager
async def _motor(policy: str, *, n_arms: int, dim: int) -> AsyncIterator[Motor]:
    """One that has the state of the only experiment in memory, prepared."""
    configuration = Configuration(
        policy=PolicyRef(name=identifier(get(policy))), n_arms=n_arms, dim=dim
    )
    control = Control(reason="create", configuration=configuration, start="init")
    first = Batch(epoch=0, version=0, control=control)
    stores = memory_stores()
    await stores.channel.publish(
        state_record(
            genesis(EXPERIMENT, first, BundleResolver()), tenant=TENANT, term=1, published_ms=0
        )
    )
    motor = Motor(
        MotorSettings(),
        channel=stores.channel,
        ledger=stores.ledger,
        loader=PolicyLoader(stores.ledger.bundle, TrustedKeys()),
        draw_key=bytes(32),
    )
    await motor.refresh(EXPERIMENT)
    yield motor
    await motor.stop()


def _over_rest(stack: Stack, case: Case) -> float:
    with stack.client() as client:
        pool = client.create_pool(case.policy, [f"arm-{index}" for index in range(ARMS)])
        parameters = {"dim": case.dim} if case.dim else {}
        experiment = client.create_experiment(
            case.policy, pool=pool.id, policy=case.policy, parameters=parameters
        )
    pid = stack.pid("proxy")
    assert pid is not None
    target = Target(
        name=case.policy, url=stack.url, headers={"X-API-Key": stack.api_key}, pids=(pid,)
    )
    rng = np.random.default_rng(2)
    contexts = []
    for index in range(TOGETHER):
        vector = rng.standard_normal(case.dim).tolist()
        contexts.append({"id": f"user-{index}"} | ({"vector": vector} if vector else {}))
    body = json.dumps({"experiment_id": experiment.id, "contexts": contexts})
    figures, _ = run(target, "/api/v1/agent/select/batch", [body] * TURNS, connections=1)
    return 1e6 * TOGETHER / figures.cpu_us


if __name__ == "__main__":
    main()
