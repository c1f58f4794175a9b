"""Insight over Postgres: sums by the hour, by the minute where a question cuts an hour, and the
log's own rows where it cuts a minute.
"""

from __future__ import annotations

from qbrix.errors import InvalidRequest
from serving.storage.base_insight import HOUR_MS, MINUTE_MS, RewardSum, SelectionSum, Span
from serving.storage.postgres.database import Database
from serving.storage.postgres.sketches import count_contexts

__all__ = ["PostgresInsight"]

_SELECTIONS = """
SELECT {interval} AS start_ms, arm, sum(selections)::bigint AS selections,
    sum(defaults)::bigint AS defaults, min(first_ms) AS first_ms, max(last_ms) AS last_ms
FROM (
    SELECT hour_ms AS at_ms, arm, selections, defaults, first_ms, last_ms
    FROM decision_hours WHERE experiment = $1 AND hour_ms >= $2 AND hour_ms < $3
    UNION ALL
    SELECT minute_ms, arm, selections, defaults, first_ms, last_ms
    FROM decision_sums WHERE experiment = $1
        AND (minute_ms >= $4 AND minute_ms < $5 OR minute_ms >= $6 AND minute_ms < $7)
    UNION ALL
    SELECT decided_ms, arm, 1, (source <> 'policy')::int, decided_ms, decided_ms
    FROM decisions WHERE experiment = $1
        AND (decided_ms >= $8 AND decided_ms < $9 OR decided_ms >= $10 AND decided_ms < $11)
) AS parts GROUP BY 1, 2 ORDER BY 1, 2
"""

_REWARDS = """
SELECT {interval} AS start_ms, arm, sum(count)::bigint AS count, sum(total) AS total,
    min(smallest) AS smallest, max(largest) AS largest
FROM (
    SELECT hour_ms AS at_ms, arm, count, total, smallest, largest
    FROM reward_hours WHERE experiment = $1 AND hour_ms >= $2 AND hour_ms < $3
    UNION ALL
    SELECT minute_ms, arm, count, total, smallest, largest
    FROM reward_sums WHERE experiment = $1
        AND (minute_ms >= $4 AND minute_ms < $5 OR minute_ms >= $6 AND minute_ms < $7)
    UNION ALL
    SELECT received_ms, arm, 1, reward, reward, reward
    FROM ledger WHERE experiment = $1 AND disposition <= 4
        AND (received_ms >= $8 AND received_ms < $9 OR received_ms >= $10 AND received_ms < $11)
) AS parts GROUP BY 1, 2 ORDER BY 1, 2
"""

_SIZE = """
SELECT coalesce(sum(selections), 0)::bigint AS decisions FROM decision_hours
WHERE experiment = $1 AND hour_ms > $2::bigint - 3600000 AND hour_ms < $3
"""

_EVER = 2**62 - 2**62 % HOUR_MS
_MOST = 100_000  # rows that one question may read


class PostgresInsight:
    """See `serving.storage.base_insight.Insight`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def selections(
        self, experiment: str, *, span: Span, interval_ms: int | None
    ) -> list[SelectionSum]:
        """See `Insight`."""
        await self._check_size(experiment, span, interval_ms)
        query = _SELECTIONS.format(interval=_interval(interval_ms))
        rows = await self._database.fetch(query, experiment, *_cut(span, interval_ms))
        return [SelectionSum(*row.values()) for row in rows]

    async def rewards(
        self, experiment: str, *, span: Span, interval_ms: int | None
    ) -> list[RewardSum]:
        """See `Insight`."""
        await self._check_size(experiment, span, interval_ms)
        query = _REWARDS.format(interval=_interval(interval_ms))
        rows = await self._database.fetch(query, experiment, *_cut(span, interval_ms))
        return [RewardSum(*row.values()) for row in rows]

    async def contexts(self, experiment: str, *, span: Span) -> int:
        """See `Insight`; all of time is counted beforehand, a part of it when it is asked for."""
        if span.whole:
            query = "SELECT contexts FROM context_counts WHERE experiment = $1"
            row = await self._database.row(query, experiment)
            return 0 if row is None else int(row["contexts"])
        return await count_contexts(self._database, experiment, span=span)

    async def _check_size(self, experiment: str, span: Span, interval_ms: int | None) -> None:
        """An interval that the sums do not fit into reads every row; there may not be many."""
        if not _is_odd(interval_ms):
            return
        row = await self._database.row(_SIZE, experiment, *_ends(span))
        if row is not None and row["decisions"] > _MOST:
            raise InvalidRequest(
                f"interval_ms = {interval_ms} over about {row['decisions']} decisions; take a "
                f"multiple of {MINUTE_MS}, or a span of at most {_MOST} decisions"
            )


def _interval(interval_ms: int | None) -> str:
    return "0::bigint" if interval_ms is None else f"at_ms - at_ms % {interval_ms:d}"


def _cut(span: Span, interval_ms: int | None) -> tuple[int, ...]:
    """Two edges of the hours, four of the minutes around them, four of the rows around those."""
    start, end = _ends(span)
    if _is_odd(interval_ms):
        return 0, 0, 0, 0, 0, 0, start, end, 0, 0
    first, last = start + -start % MINUTE_MS, end - end % MINUTE_MS
    if first >= last:
        return 0, 0, 0, 0, 0, 0, start, end, 0, 0
    rows = start, first, last, end
    first_hour, last_hour = first + -first % HOUR_MS, last - last % HOUR_MS
    if (interval_ms is not None and interval_ms % HOUR_MS) or first_hour >= last_hour:
        return 0, 0, first, last, 0, 0, *rows
    return first_hour, last_hour, first, first_hour, last_hour, last, *rows


def _ends(span: Span) -> tuple[int, int]:
    start = 0 if span.start_ms is None else span.start_ms
    return start, _EVER if span.end_ms is None else span.end_ms


def _is_odd(interval_ms: int | None) -> bool:
    """Whether the sums that are kept do not fit into it."""
    return interval_ms is not None and interval_ms % MINUTE_MS != 0
