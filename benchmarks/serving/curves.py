"""``python -m benchmarks.serving.curves``: how serving bends, drawn.

Latency against load (an open load: requests fall due at their times), throughput against the number
of experiments, staleness against the rate of feedback, and recovery of a killed cortex against the
length of its ledger.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.results import markdown_table, write_section
from benchmarks.serving.events import ARMS, feedback_events
from benchmarks.serving.measuring import Figures, Target, bare, run
from benchmarks.serving.pictures import Curve, Panel, draw
from qbrix.client import Client
from serving.stack import Stack
from serving.stack.attached import environment_of
from serving.storage.base import Stores
from serving.storage.connect import open_stores

PICTURE = "serving.svg"
CONNECTIONS = 16
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
EXPERIMENTS = (1, 10, 100, 1000)
RATES = (10, 100, 500, 1000, 2000)
LEDGERS = (0, 10_000, 100_000)
REQUESTS = 2000
LASTS_S = 5.0  # each load below the peak
FEEDS_S = 10.0  # each load of feedback
BACKLOG = 500_000  # events, more than cortex learns meanwhile
DEADLINE_S = 60.0
TOGETHER = 1000
SELECT, FEEDBACK = "/api/v1/agent/select", "/api/v1/agent/feedback"


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        Stack(Path(directory)) as stack,
        stack.client() as client,
    ):
        serving = Serving(stack, client)
        peak = serving.peak()
        latencies = {
            "a bare application": serving.bare_latency(peak),
            "cortex idle": serving.latency(peak, training=False),
            "cortex training": serving.latency(peak, training=True),
        }
        panels = [
            Panel(
                title="Latency against load",
                x="share of peak load",
                y="p99 of select, ms",
                curves=latencies,
                bar=5.0,
            ),
            Panel(
                title="Throughput against experiments",
                x="experiments",
                y="selects per second",
                curves={"select": serving.throughput()},
                logarithmic=True,
            ),
            Panel(
                title="Staleness against feedback",
                x="feedback per second",
                y="p99 until a select uses it, ms",
                curves=serving.staleness(),
                logarithmic=True,
            ),
            Panel(
                title="Recovery of a killed cortex",
                x="rows in the ledger",
                y="seconds until it learns again",
                curves={"kill -9": serving.recovery()},
            ),
        ]
    draw(PICTURE, panels)
    tables = "\n\n".join(_table(panel) for panel in panels)
    print(tables)
    write_section(
        "curves",
        title="How serving bends",
        command="python -m benchmarks.serving.curves",
        body="BetaTS, K = 10, fused, one proxy; everything shares the machine. Latencies are of "
        "requests that fall due at their times, beside those of a bare ASGI application that has "
        "the machine for itself at the same rates.\n\n"
        f"![serving](pictures/{PICTURE})\n\n{tables}",
    )


def _table(panel: Panel) -> str:
    header = [panel.title, *panel.curves]
    points = zip(*panel.curves.values(), strict=True)
    rows = [[f"{row[0][0]:g}", *(f"{y:,.4g}" for _, y in row)] for row in points]
    return markdown_table(header, rows)


@dataclass(frozen=True, kw_only=True)
class Learned:
    """Which version a select used, when, and how long after the reward was accepted."""

    took_ms: float
    version: int
    used_ms: float


class Serving:
    """A running stack with one experiment that everybody asks about."""

    def __init__(self, stack: Stack, client: Client) -> None:
        self._stack, self._client = stack, client
        self._pool = client.create_pool("arms", [f"arm-{index}" for index in range(ARMS)]).id
        self._main = self._experiment("main")
        self._watched = self._experiment("watched")
        pid = stack.pid("proxy")
        assert pid is not None
        self._target = Target(
            name="proxy", url=stack.url, headers={"X-API-Key": stack.api_key}, pids=(pid,)
        )

    def peak(self) -> float:
        """Selects a second, as fast as they are answered."""
        self._select([self._main])  # its state is in memory from now on
        return self._select([self._main], requests=3 * REQUESTS).per_second

    def bare_latency(self, peak: float) -> Curve:
        """p99 in milliseconds of an application that does nothing: the machine's own share."""
        points = []
        with bare() as echo:
            for share in SHARES:
                rate = share * peak
                bodies = [_asked(self._main, index) for index in range(int(LASTS_S * rate))]
                figures, _ = run(echo, "/", bodies, connections=CONNECTIONS, per_second=rate)
                points.append((share, figures.p99_ms))
        return points

    def latency(self, peak: float, *, training: bool) -> Curve:
        """p99 in milliseconds at shares of the peak; cortex has nothing to do, or too much."""
        points = []
        for share in SHARES:
            rate = share * peak
            if training:
                asyncio.run(self._pile_up())
            figures = self._select([self._main], requests=int(LASTS_S * rate), per_second=rate)
            if training and not asyncio.run(self._unread()):
                raise RuntimeError(f"cortex learned {BACKLOG} events before the load ended")
            points.append((share, figures.p99_ms))
        while asyncio.run(self._unread()):
            time.sleep(0.5)
        return points

    async def _pile_up(self) -> None:
        """More feedback than cortex learns from while a load lasts, in the stream."""
        missing = BACKLOG - await self._unread()
        events = feedback_events(self._watched, missing, seed=missing)
        async with self._stores() as (stores, shard):
            for first in range(0, missing, TOGETHER):
                await stores.intake.append_feedback(shard, events[first : first + TOGETHER])

    async def _unread(self) -> int:
        """Events that wait for cortex."""
        async with self._stores() as (stores, shard):
            return (await stores.intake.look([shard])).shards[shard].unread

    @asynccontextmanager
    async def _stores(self) -> AsyncIterator[tuple[Stores, int]]:
        """The stack's own, and the shard of the watched experiment."""
        settings = environment_of(self._stack.data_dir)
        stores = await open_stores(
            postgres_url=settings["QBRIX_POSTGRES_URL"], redis_url=settings["QBRIX_REDIS_URL"]
        )
        try:
            record = await stores.ledger.experiment(self._watched)
            assert record is not None
            yield stores, record.shard
        finally:
            await stores.close()

    def throughput(self) -> Curve:
        """Selects a second over so many experiments in turn."""
        known = [self._main]
        points = []
        for count in EXPERIMENTS:
            known += [self._experiment(f"e{index}") for index in range(len(known), count)]
            self._select(known, requests=max(count, REQUESTS))  # all of them are in memory now
            figures = self._select(known, requests=max(count, REQUESTS))
            points.append((float(count), figures.per_second))
        return points

    def staleness(self) -> dict[str, Curve]:
        """p99 of milliseconds until a select has learned from a reward.

        The reward is that of an experiment of its own, so that nothing else moves its version; one
        after the other while the load lasts.
        """
        accepted, committed = [], []
        for rate in RATES:
            looks: list[Learned] = []
            with self._trained(per_second=float(rate)) as under_way:
                while under_way():
                    looks.append(self._learned(self._watched))
            commits_ms = asyncio.run(self._commits_ms())
            since_commit_ms = [look.used_ms - commits_ms[look.version] for look in looks]
            accepted.append((float(rate), _p99([look.took_ms for look in looks])))
            committed.append((float(rate), _p99(since_commit_ms)))
        return {"since it was accepted": accepted, "since its commit": committed}

    async def _commits_ms(self) -> dict[int, int]:
        """When each version of the watched experiment was committed."""
        async with self._stores() as (stores, _):
            batches = await stores.ledger.batches(self._watched, after=-1, limit=BACKLOG)
        return {made.batch.version: made.committed_ms for made in batches}

    def recovery(self) -> Curve:
        """Seconds from kill -9 of cortex to a reward learned, behind so many rows."""
        points = []
        for rows in LEDGERS:
            experiment = self._experiment(f"recovery-{rows}")
            for _ in range(rows // TOGETHER):
                self._grow(experiment)
            self._learned(experiment)
            started_s = time.perf_counter()
            self._stack.kill("cortex")
            self._learned(experiment)
            points.append((float(rows), time.perf_counter() - started_s))
        return points

    def _experiment(self, name: str) -> str:
        return self._client.create_experiment(name, pool=self._pool, policy="BetaTSPolicy").id

    def _select(
        self,
        experiments: Sequence[str],
        *,
        requests: int = REQUESTS,
        per_second: float | None = None,
    ) -> Figures:
        bodies = [_asked(experiments[index % len(experiments)], index) for index in range(requests)]
        return run(self._target, SELECT, bodies, connections=CONNECTIONS, per_second=per_second)[0]

    def _tokens(self, experiment: str, count: int) -> list[str]:
        bodies = [_asked(experiment, index) for index in range(count)]
        _, measured = run(self._target, SELECT, bodies, connections=CONNECTIONS)
        return [json.loads(answer)["request_id"] for answer in measured.answers]

    def _grow(self, experiment: str) -> None:
        """A thousand rows more in its ledger."""
        contexts = [{"id": f"user-{index}"} for index in range(TOGETHER)]
        body = json.dumps({"experiment_id": experiment, "contexts": contexts})
        _, made = run(self._target, f"{SELECT}/batch", [body], connections=1)
        decisions = json.loads(made.answers[0])["decisions"]
        items = [{"request_id": one["request_id"], "reward": 1.0} for one in decisions]
        run(self._target, f"{FEEDBACK}/batch", [json.dumps({"items": items})], connections=1)

    def _feed(self, tokens: Sequence[str], *, per_second: float) -> None:
        bodies = [json.dumps({"request_id": token, "reward": 1.0}) for token in tokens]
        run(self._target, FEEDBACK, bodies, connections=CONNECTIONS, per_second=per_second)

    @contextmanager
    def _trained(self, *, per_second: float) -> Iterator[Callable[[], bool]]:
        """Feedback comes in all the while; tells whether it still does."""
        tokens = self._tokens(self._main, int(FEEDS_S * per_second))
        feeding = threading.Thread(
            target=self._feed, args=(tokens,), kwargs={"per_second": per_second}
        )
        feeding.start()
        try:
            yield feeding.is_alive
        finally:
            feeding.join()

    def _learned(self, experiment: str) -> Learned:
        """One accepted reward, and a select that shows a later version."""
        made = self._client.select(experiment)
        self._client.feedback(made.request_id, 1.0)
        started_s = time.perf_counter()
        while (seen := self._client.select(experiment).state_version) == made.state_version:
            if time.perf_counter() - started_s > DEADLINE_S:
                raise TimeoutError(f"nothing was learned for {DEADLINE_S} s")
            time.sleep(0.002)
        took_ms = 1000.0 * (time.perf_counter() - started_s)
        assert seen is not None
        return Learned(took_ms=took_ms, version=seen, used_ms=1000.0 * time.time())


def _p99(times_ms: list[float]) -> float:
    return float(np.percentile(times_ms, 99))


def _asked(experiment: str, index: int) -> str:
    return json.dumps({"experiment_id": experiment, "context": {"id": f"user-{index}"}})


if __name__ == "__main__":
    main()
