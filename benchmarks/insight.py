"""``python -m benchmarks.insight [--rows N]``: what insight costs over N decisions (10 million).

A stack of its own gets N decisions of thirty days and rewards for half of them, written by
Postgres itself with all the sums that archiving keeps. Then every route of insight is asked through
the proxy, beside a route that asks no table of the log: the limit of what an answer can take here.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
import httpx

from benchmarks.results import markdown_table, write_section
from serving.stack import Stack
from serving.stack.attached import environment_of
from serving.storage.base import Retention
from serving.storage.connect import open_stores

ARMS = 10
DAYS = 30
DAY_MS = 86_400_000
END_MS = round(datetime(2026, 10, 1, tzinfo=UTC).timestamp() * 1000)
START_MS = END_MS - DAYS * DAY_MS
CHUNK = 500_000
CALLS = 5
BAR_MS = 1000.0

_DECISIONS = """
INSERT INTO decisions (experiment, proxy, number, context_id, epoch, decision_id, arm, u, low,
    propensity, version, source, context, decided_ms)
SELECT $1, 'bench', n, 'user-' || (hashint8(n)::bigint & 1048575), 0, gen_random_uuid(),
    n % 10, 0.5, 0, 1, 0, CASE WHEN n % 20 = 0 THEN 'gate' ELSE 'policy' END,
    decode(repeat('00', 64), 'hex'), $2::bigint + n * $3::bigint / $4::bigint
FROM generate_series($5::bigint, $6::bigint) AS n
"""
_LEDGER = """
INSERT INTO ledger (experiment, version, ordinal, decision_id, feedback_id, arm, reward, u, low,
    propensity, state_version, epoch, disposition, decided_ms, received_ms, committed_ms)
SELECT experiment, 1 + number / 1000, number % 1000, decision_id, '', arm, (number % 7) / 7.0, u,
    low, propensity, version, 0, 0, decided_ms, decided_ms + 60000, decided_ms + 60000
FROM decisions WHERE experiment = $1 AND number % 2 = 0
    AND decided_ms >= $2 AND decided_ms < $3
"""
_SUMS = (
    """INSERT INTO decision_sums
    SELECT experiment, decided_ms - decided_ms % 60000, arm, count(*),
        count(*) FILTER (WHERE source <> 'policy'), min(decided_ms), max(decided_ms)
    FROM decisions WHERE experiment = $1 GROUP BY 1, 2, 3""",
    """INSERT INTO reward_sums
    SELECT experiment, received_ms - received_ms % 60000, arm, count(*), sum(reward), min(reward),
        max(reward)
    FROM ledger WHERE experiment = $1 GROUP BY 1, 2, 3""",
    """INSERT INTO decision_hours
    SELECT experiment, minute_ms - minute_ms % 3600000, arm, sum(selections), sum(defaults),
        min(first_ms), max(last_ms)
    FROM decision_sums WHERE experiment = $1 GROUP BY 1, 2, 3""",
    """INSERT INTO reward_hours
    SELECT experiment, minute_ms - minute_ms % 3600000, arm, sum(count), sum(total),
        min(smallest), max(largest)
    FROM reward_sums WHERE experiment = $1 GROUP BY 1, 2, 3""",
    """INSERT INTO decision_contexts
    SELECT DISTINCT experiment, sha256(convert_to(context_id, 'UTF8')) FROM decisions
    WHERE experiment = $1""",
    """INSERT INTO context_counts SELECT experiment, count(*) FROM decision_contexts
    WHERE experiment = $1 GROUP BY 1""",
)
_SKETCHED = "SELECT 1 FROM positions WHERE stream = 'sketched.86400000' AND position >= $1"


async def fill(urls: dict[str, str], experiment: str, *, rows: int) -> None:
    """Write the log of an experiment, and let upkeep do what it would have done meanwhile."""
    connection = await asyncpg.connect(urls["QBRIX_POSTGRES_URL"], statement_cache_size=0)
    for table in ("decisions", "ledger"):
        for at_ms in (START_MS, END_MS):
            await connection.execute("SELECT make_partition($1, $2)", table, at_ms)
    span = (START_MS, DAYS * DAY_MS, rows)
    for first in range(0, rows, CHUNK):
        last = min(first + CHUNK, rows) - 1
        await connection.execute(_DECISIONS, experiment, *span, first, last)
    for day_ms in range(START_MS, END_MS, DAY_MS):
        await connection.execute(_LEDGER, experiment, day_ms, day_ms + DAY_MS)
    for statement in _SUMS:
        await connection.execute(statement, experiment)
    await connection.execute("VACUUM ANALYZE")
    stores = await open_stores(
        postgres_url=urls["QBRIX_POSTGRES_URL"], redis_url=urls["QBRIX_REDIS_URL"]
    )
    keep = Retention(keys_ms=400 * DAY_MS)
    # The past was over for upkeep before it was written.
    await connection.execute("DELETE FROM positions WHERE stream LIKE 'sketched.%'")
    while not await connection.fetchval(_SKETCHED, str(END_MS)):
        # The stack's cortex is at it as well, and one at a time can be.
        await stores.archive.tend(keep, now_ms=END_MS + DAY_MS)
        await asyncio.sleep(0.1)
    await stores.close()
    await connection.close()


def questions(experiment: str) -> Iterator[tuple[str, str, dict[str, int]]]:
    """What is asked: name, path, parameters."""
    route = f"/insight/experiment/{experiment}"
    within = {"start_ms": START_MS + 12_345_678, "end_ms": END_MS - 23_456_789}
    day = {"start_ms": END_MS - DAY_MS - 1, "end_ms": END_MS - 1}
    hours = {"start_ms": END_MS - DAY_MS // 4 - 1, "end_ms": END_MS - 1}
    yield "the experiment alone (limit)", f"/experiments/{experiment}", {}
    for name, path in (("totals", ""), ("arms", "/arms"), ("funnel", "/funnel")):
        yield name, route + path, {}
        yield f"{name}, 29 days of odd edges", route + path, within
        yield f"{name}, one day", route + path, day
    for path in ("timeseries", "timeseries/rewards", "timeseries/arms", "cumulative"):
        yield f"{path} by hour", f"{route}/{path}", {}
        yield f"{path} by hour, odd edges", f"{route}/{path}", within
        yield f"{path} by minute, one day", f"{route}/{path}", {**day, "interval_ms": 60_000}
        yield f"{path} by 45 s, six hours", f"{route}/{path}", {**hours, "interval_ms": 45_000}


def measure(client: httpx.Client, path: str, params: dict[str, Any]) -> tuple[float, float]:
    """Median and worst time of a route, in ms; the first call of all is the worst one's to lose."""
    times = []
    for _ in range(CALLS):
        began = time.perf_counter()
        client.get(f"/api/v1{path}", params=params).raise_for_status()
        times.append(1000 * (time.perf_counter() - began))
    return median(times), max(times)


def run(*, rows: int) -> list[list[str]]:
    """Fill, ask, and tell each route's times."""
    with tempfile.TemporaryDirectory() as directory, Stack(Path(directory)) as stack:
        with stack.client() as client:
            pool = client.create_pool("arms", [f"arm-{index}" for index in range(ARMS)])
            experiment = client.create_experiment("bench", pool=pool, policy="BetaTSPolicy").id
        began = time.perf_counter()
        asyncio.run(fill(environment_of(stack.data_dir), experiment, rows=rows))
        print(f"{rows:,} decisions written in {time.perf_counter() - began:.0f} s", flush=True)
        told: list[list[str]] = []
        headers = {"X-API-Key": stack.api_key}
        with httpx.Client(base_url=stack.url, headers=headers, timeout=120.0) as http:
            limit_ms = 0.0
            for name, path, params in questions(experiment):
                middle_ms, worst_ms = measure(http, path, params)
                limit_ms = limit_ms or middle_ms
                verdict = "yes" if worst_ms < BAR_MS else "NO"
                times = (middle_ms, worst_ms, middle_ms / limit_ms)
                told.append([name, *(f"{one:.1f}" for one in times), verdict])
                print("  ".join(told[-1]), flush=True)
        return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    rows = parser.parse_args().rows
    header = ["route", "median ms", "worst ms", "× limit", "under 1 s"]
    table = markdown_table(header, run(rows=rows))
    if rows == parser.get_default("rows"):
        write_section(
            "insight",
            title="Insight over ten million decisions",
            command="python -m benchmarks.insight",
            body=f"{rows:,} decisions of {DAYS} days by a million units on {ARMS} arms, rewards "
            f"for half of them; {CALLS} calls of each route through the proxy, one after the "
            f"other, beside a route that reads nothing of the log.\n\n{table}",
        )


if __name__ == "__main__":
    main()
