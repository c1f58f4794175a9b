"""Units of a span, counted from sketches as from the rows."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from qbrix.errors import InvalidRequest
from serving.storage.base_insight import HOUR_MS, Span
from serving.storage.postgres.database import Database
from serving.storage.postgres.insight import PostgresInsight
from serving.storage.postgres.sketches import DAY_MS, K, count_contexts, sketch

START_MS = 20_000 * DAY_MS  # 2024-10-04
EXPERIMENT = "e" * 32

# n decisions over three days, of ``units`` units each of which comes at many times of day.
_FILL = """
INSERT INTO decisions (experiment, proxy, number, context_id, epoch, decision_id, arm, u, low,
    propensity, version, source, context, decided_ms)
SELECT $1, $2, n, 'unit ' || (n * 7919) % $4::bigint, 0, gen_random_uuid(), 0, 0, 0, 1, 0, 'policy',
    '', $5::bigint + n * $6::bigint / $3::bigint
FROM generate_series(0, $3::bigint - 1) AS n
"""
_SUM = """
INSERT INTO decision_hours
SELECT experiment, decided_ms - decided_ms % 3600000, arm, count(*), 0, min(decided_ms),
    max(decided_ms) FROM decisions GROUP BY 1, 2, 3
"""


@pytest.fixture
async def database(fresh_postgres_url: str) -> AsyncIterator[Database]:
    """An empty one with an experiment."""
    opened = Database(fresh_postgres_url)
    await opened.open()
    await opened.write(
        "INSERT INTO experiments (id, tenant, name, pool_id, shard, policy, parameters, dim,"
        " enabled, floor, support, created_ms, updated_ms)"
        " VALUES ($1, 't', 'e', 'p', 0, 'BetaTSPolicy', '{}', 0, true, 0, 'bounded', 1, 1)",
        EXPERIMENT,
    )
    yield opened
    await opened.close()


async def _fill(database: Database, *, n: int, units: int) -> None:
    await database.write(_FILL, EXPERIMENT, "p.0", n, units, START_MS, 3 * DAY_MS)
    await database.write(_SUM)


SPANS = [
    Span(START_MS, START_MS + 3 * DAY_MS),
    Span(START_MS + 1, START_MS + 3 * DAY_MS - 1),
    Span(START_MS + 5 * HOUR_MS + 7, START_MS + 2 * DAY_MS + 3 * HOUR_MS + 11),
    Span(START_MS + 7 * HOUR_MS + 60_001, START_MS + 7 * HOUR_MS + 200_000),
    Span(START_MS + 50 * HOUR_MS, None),
    Span(None, START_MS + 1),
]


@pytest.mark.parametrize("now_ms", [START_MS, START_MS + 2 * DAY_MS, START_MS + 9 * DAY_MS])
async def test_few_units_are_counted_exactly_whatever_is_sketched(
    database: Database, now_ms: int
) -> None:
    await _fill(database, n=6000, units=900)
    made = await sketch(database, now_ms=now_ms)
    # An hour is sketched ten minutes after its end, and each of the days that are over.
    days = (now_ms - START_MS - 600_000) // DAY_MS
    assert made == (0 if now_ms == START_MS else 25 * min(days, 3) + (23 if days == 1 else 0))
    assert await sketch(database, now_ms=now_ms) == 0
    for span in SPANS:
        exact = await count_contexts(database, EXPERIMENT, span=span)
        assert await count_contexts(database, EXPERIMENT, span=span, small=0) == exact


async def test_many_units_are_estimated_within_a_few_percent(database: Database) -> None:
    await _fill(database, n=30_000, units=20_011)  # a prime: units return in another order
    await sketch(database, now_ms=START_MS + 9 * DAY_MS)
    for span in SPANS[:3]:
        exact = await count_contexts(database, EXPERIMENT, span=span)
        assert exact > 2 * K
        estimate = await count_contexts(database, EXPERIMENT, span=span, small=0)
        # Six standard errors of 1/sqrt(K - 2): once in 5e8; hashes and units are fixed.
        assert abs(estimate / exact - 1.0) < 6 / (K - 2) ** 0.5


async def test_an_interval_that_no_sum_fits_into_is_refused_over_too_many_rows(
    database: Database,
) -> None:
    await database.write(
        "INSERT INTO decision_hours VALUES ($1, $2, 0, 500001, 0, $2, $2)", EXPERIMENT, START_MS
    )
    insight = PostgresInsight(database)
    for span in (Span(), Span(START_MS + 5, START_MS + 9)):
        with pytest.raises(InvalidRequest, match="take a multiple of 60000"):
            await insight.selections(EXPERIMENT, span=span, interval_ms=45_000)
        await insight.selections(EXPERIMENT, span=span, interval_ms=60_000)
    before = Span(None, START_MS)
    assert await insight.rewards(EXPERIMENT, span=before, interval_ms=45_000) == []
