"""``python -m benchmarks.serving.training``: events a second from stream to published state.

Feedback is put straight into the streams while cortex stands still, so that it alone is measured
from the moment at which it goes on: it folds, writes the ledger and publishes, for one experiment
(one shard, step after step) and for many (all shards side by side). Beside it, in the same run, the
limit: the same columns in a bare COPY, with a commit for each group of the size of cortex's, into a
table without keys.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from unittest.mock import patch

import asyncpg

from benchmarks.results import markdown_table, write_section
from benchmarks.serving.events import ARMS, feedback_events
from benchmarks.serving.processes import cpu_s
from qbrix.policies import get
from qbrix.state import from_bytes
from serving.stack import Stack
from serving.stack.servers import EmbeddedPostgres, EmbeddedValkey
from serving.storage.base import FeedbackEvent, Stores
from serving.storage.connect import open_stores

ROUNDS = 3
TOGETHER = 8192
POLL_S = 0.02
DEADLINE_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is learned, from how many events in all, and how fast it should be."""

    policy: str
    dim: int
    experiments: int
    events: int
    bar: float
    counts: tuple[str, ...]


TRAININGS = tuple(
    Training(policy=policy, dim=dim, experiments=experiments, events=events, bar=bar, counts=counts)
    for policy, dim, events, bar, counts in (
        ("BetaTSPolicy", 0, 240_000, 60_000.0, ("successes", "failures")),
        ("LinUCBPolicy", 20, 48_000, 15_000.0, ("pulls",)),
    )
    for experiments in (1, 24)
)
HEADER = (
    *("policy", "experiments", "events/s", "bar", "CPU µs/event"),
    *("bare COPY rows/s", "of bare"),
)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        postgres, valkey = EmbeddedPostgres(Path(directory)), EmbeddedValkey(Path(directory))
        for server in (postgres, valkey):
            server.start()
            stack.callback(server.stop)
        urls = {"QBRIX_POSTGRES_URL": postgres.url, "QBRIX_REDIS_URL": valkey.url}
        with patch.dict(os.environ, urls), Stack(Path(directory)) as running:
            rows = [_measured(running, training, urls) for training in TRAININGS]
    table = markdown_table(HEADER, rows)
    print(table)
    write_section(
        "training",
        title="Training: events per second from stream to published state",
        command="python -m benchmarks.serving.training",
        body=f"K = {ARMS}; medians of {ROUNDS} rounds; the ledger is written, digests chained, "
        f"the state published. CPU is cortex's own.\n\n{table}",
    )


def _measured(running: Stack, training: Training, urls: dict[str, str]) -> list[str]:
    name = f"{training.policy}, d = {training.dim}" if training.dim else training.policy
    with running.client() as client:
        pool = client.create_pool(
            f"{name}, {training.experiments}", [f"arm-{index}" for index in range(ARMS)]
        )
        experiments = [
            client.create_experiment(
                f"{name}, {training.experiments}: {number}",
                pool=pool.id,
                policy=training.policy,
                parameters={"dim": training.dim} if training.dim else {},
            ).id
            for number in range(training.experiments)
        ]
    pid = running.pid("cortex")
    assert pid is not None
    speeds, costs, limits = asyncio.run(_rounds(training, experiments, urls, pid))
    speed, limit = statistics.median(speeds), statistics.median(limits)
    return [
        name,
        str(training.experiments),
        f"{speed:,.0f}",
        f"≥ {training.bar:,.0f}",
        f"{1e6 * statistics.median(costs):.1f}",
        f"{limit:,.0f}",
        f"{speed / limit:.0%}",
    ]


async def _rounds(
    training: Training, experiments: list[str], urls: dict[str, str], pid: int
) -> tuple[list[float], list[float], list[float]]:
    stores = await open_stores(
        postgres_url=urls["QBRIX_POSTGRES_URL"], redis_url=urls["QBRIX_REDIS_URL"]
    )
    speeds, costs, limits = [], [], []
    each = training.events // training.experiments
    try:
        for number in range(1, ROUNDS + 1):
            made = {
                name: feedback_events(name, each, seed=number, dim=training.dim)
                for name in experiments
            }
            limits.append(await _copied(urls["QBRIX_POSTGRES_URL"], [*chain(*made.values())]))
            with _standing_still(pid):
                for name, events in made.items():
                    record = await stores.ledger.experiment(name)
                    assert record is not None
                    await stores.intake.append_feedback(record.shard, events)
            before_s, started_s = cpu_s(pid), time.perf_counter()
            for name in experiments:
                await _learned(stores, training, name, total=number * each)
            speeds.append(training.events / (time.perf_counter() - started_s))
            costs.append((cpu_s(pid) - before_s) / training.events)
    finally:
        await stores.close()
    return speeds, costs, limits


@contextmanager
def _standing_still(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def _learned(stores: Stores, training: Training, experiment: str, *, total: int) -> None:
    """Until the published state has learned from ``total`` events."""
    state_type = get(training.policy).state_type
    async with asyncio.timeout(DEADLINE_S):
        while True:
            record = await stores.channel.fetch(experiment)
            if record is not None:
                state = from_bytes(state_type, record.state)
                if sum(getattr(state, name).sum() for name in training.counts) == total:
                    return
            await asyncio.sleep(POLL_S)


async def _copied(url: str, events: list[FeedbackEvent]) -> float:
    """Rows a second of a COPY of the same columns."""
    rows = [tuple(getattr(event, name) for name in _COLUMNS) for event in events]
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_BARE)
        started_s = time.perf_counter()
        for first in range(0, len(rows), TOGETHER):
            await connection.copy_records_to_table(
                "bare", records=rows[first : first + TOGETHER], columns=_COLUMNS
            )
        seconds = time.perf_counter() - started_s
        await connection.execute("DROP TABLE bare")
    finally:
        await connection.close()
    return len(rows) / seconds


_COLUMNS = ("experiment", "epoch", "decision_id", "arm", "reward", "propensity", "context")
_BARE = (
    "CREATE TABLE bare (experiment text, epoch bigint, decision_id text, arm integer,"
    " reward double precision, propensity double precision, context bytea)"
)


if __name__ == "__main__":
    main()
