"""Insight over Postgres: sums by the minute, kept in the transaction that archives, and the log's
own rows where a question cuts a minute.
"""

from __future__ import annotations

from serving.storage.base_insight import MINUTE_MS, RewardSum, SelectionSum, Span
from serving.storage.postgres.database import Database

__all__ = ["ARCHIVE_DECISIONS", "SUM_REWARDS", "PostgresInsight", "count_new"]

_SELECTIONS = """
SELECT {interval} AS start_ms, arm, sum(selections)::bigint AS selections,
    sum(defaults)::bigint AS defaults, min(first_ms) AS first_ms, max(last_ms) AS last_ms
FROM (
    SELECT minute_ms AS at_ms, arm, selections, defaults, first_ms, last_ms
    FROM decision_sums WHERE experiment = $1 AND minute_ms >= $2 AND minute_ms < $3
    UNION ALL
    SELECT decided_ms, arm, 1, (source <> 'policy')::int, decided_ms, decided_ms
    FROM decisions WHERE experiment = $1
        AND (decided_ms >= $4 AND decided_ms < $5 OR decided_ms >= $6 AND decided_ms < $7)
) AS parts GROUP BY 1, 2 ORDER BY 1, 2
"""

_REWARDS = """
SELECT {interval} AS start_ms, arm, sum(count)::bigint AS count, sum(total) AS total,
    min(smallest) AS smallest, max(largest) AS largest
FROM (
    SELECT minute_ms AS at_ms, arm, count, total, smallest, largest
    FROM reward_sums WHERE experiment = $1 AND minute_ms >= $2 AND minute_ms < $3
    UNION ALL
    SELECT received_ms, arm, 1, reward, reward, reward
    FROM ledger WHERE experiment = $1 AND disposition <= 4
        AND (received_ms >= $4 AND received_ms < $5 OR received_ms >= $6 AND received_ms < $7)
) AS parts GROUP BY 1, 2 ORDER BY 1, 2
"""

_COUNT_NEW = """
WITH new AS (
    INSERT INTO decisions (proxy, number, experiment, context_id, epoch, decision_id, arm, u, low,
        propensity, version, source, context, decided_ms, sampling, recorded)
    {source}
    ON CONFLICT (proxy, number, decided_ms) DO NOTHING
    RETURNING proxy, number, experiment, context_id, arm, source, decided_ms
), met AS (
    INSERT INTO decision_contexts (experiment, context)
    SELECT DISTINCT experiment, sha256(convert_to(context_id, 'UTF8')) FROM new WHERE proxy <> ''
    ON CONFLICT DO NOTHING RETURNING experiment
), counted AS (
    INSERT INTO context_counts (experiment, contexts)
    SELECT experiment, count(*) FROM met GROUP BY experiment ORDER BY experiment
    ON CONFLICT (experiment) DO UPDATE SET contexts = context_counts.contexts + excluded.contexts
), numbered AS (
    INSERT INTO decision_numbers AS numbers (proxy, last, archived)
    SELECT proxy, max(number), count(*) FROM new WHERE proxy <> '' GROUP BY proxy ORDER BY proxy
    ON CONFLICT (proxy) DO UPDATE SET
        last = greatest(numbers.last, excluded.last),
        archived = numbers.archived + excluded.archived
), summed AS (
    INSERT INTO decision_sums AS sums
        (experiment, minute_ms, arm, selections, defaults, first_ms, last_ms)
    SELECT experiment, decided_ms - decided_ms % 60000, arm, count(*),
        count(*) FILTER (WHERE source <> 'policy'), min(decided_ms), max(decided_ms)
    FROM new GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (experiment, minute_ms, arm) DO UPDATE SET
        selections = sums.selections + excluded.selections,
        defaults = sums.defaults + excluded.defaults,
        first_ms = least(sums.first_ms, excluded.first_ms),
        last_ms = greatest(sums.last_ms, excluded.last_ms)
)
SELECT count(*) FROM new
"""


def count_new(source: str) -> str:
    """Insert what ``source`` selects into the decision log and, in the same statement, what it adds
    to the sums; what is archived already adds nothing. Tells how many are new.

    Decisions without a proxy were restored: their unit is not known, nor what their proxy sent.
    """
    return _COUNT_NEW.format(source=source)


ARCHIVE_DECISIONS = count_new("""
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[],
        $6::uuid[], $7::bigint[], $8::float8[], $9::float8[], $10::float8[], $11::bigint[],
        $12::text[], $13::bytea[], $14::bigint[], $15::float8[], $16::bytea[])
""")

SUM_REWARDS = """
INSERT INTO reward_sums AS sums (experiment, minute_ms, arm, count, total, smallest, largest)
SELECT experiment, received_ms - received_ms % 60000, arm, count(*), sum(reward), min(reward),
    max(reward)
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::float8[])
    AS new (experiment, received_ms, arm, reward)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (experiment, minute_ms, arm) DO UPDATE SET
    count = sums.count + excluded.count,
    total = sums.total + excluded.total,
    smallest = least(sums.smallest, excluded.smallest),
    largest = greatest(sums.largest, excluded.largest)
"""

_CONTEXTS = """
SELECT count(DISTINCT context_id) FROM decisions
WHERE experiment = $1 AND decided_ms >= $2 AND decided_ms < $3 AND proxy <> ''
"""

_EVER = 2**62


class PostgresInsight:
    """See `serving.storage.base_insight.Insight`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def selections(
        self, experiment: str, *, span: Span, interval_ms: int | None
    ) -> list[SelectionSum]:
        """See `Insight`."""
        query = _SELECTIONS.format(interval=_interval(interval_ms))
        rows = await self._database.fetch(query, experiment, *_cut(span, interval_ms))
        return [SelectionSum(*row.values()) for row in rows]

    async def rewards(
        self, experiment: str, *, span: Span, interval_ms: int | None
    ) -> list[RewardSum]:
        """See `Insight`."""
        query = _REWARDS.format(interval=_interval(interval_ms))
        rows = await self._database.fetch(query, experiment, *_cut(span, interval_ms))
        return [RewardSum(*row.values()) for row in rows]

    async def contexts(self, experiment: str, *, span: Span) -> int:
        """See `Insight`; all of time is counted beforehand, a part of it when it is asked for."""
        if span.whole:
            query = "SELECT contexts FROM context_counts WHERE experiment = $1"
            row = await self._database.row(query, experiment)
            return 0 if row is None else int(row["contexts"])
        start = 0 if span.start_ms is None else span.start_ms
        end = _EVER if span.end_ms is None else span.end_ms
        row = await self._database.row(_CONTEXTS, experiment, start, end)
        return 0 if row is None else int(row["count"])


def _interval(interval_ms: int | None) -> str:
    return "0::bigint" if interval_ms is None else f"at_ms - at_ms % {interval_ms:d}"


def _cut(span: Span, interval_ms: int | None) -> tuple[int, int, int, int, int, int]:
    """Whole minutes from the sums, then two pieces of the log: before them and behind them."""
    start = 0 if span.start_ms is None else span.start_ms
    end = _EVER if span.end_ms is None else span.end_ms
    if interval_ms is not None and interval_ms % MINUTE_MS:
        return 0, 0, start, end, 0, 0
    first = start + -start % MINUTE_MS
    last = _EVER if span.end_ms is None else end - end % MINUTE_MS
    if first >= last:
        return 0, 0, start, end, 0, 0
    return first, last, start, first, last, end
