"""What archiving adds to the sums by minute and hour, in the transaction that archives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from qbrix.ledger import Rows
from serving.storage.base_insight import HOUR_MS, MINUTE_MS
from serving.storage.records_windows import SENT

__all__ = ["ARCHIVE_DECISIONS", "SUM_REWARDS", "count_new", "reward_sums"]

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
{decisions})
SELECT count(*) FROM new
"""

_WIDTHS = {
    "minute": ("decision_sums", "reward_sums", MINUTE_MS),
    "hour": ("decision_hours", "reward_hours", HOUR_MS),
}


def _decisions(unit: str) -> str:
    table, _, width = _WIDTHS[unit]
    return f"""), by_{unit} AS (
    INSERT INTO {table} AS sums
        (experiment, {unit}_ms, arm, selections, defaults, first_ms, last_ms)
    SELECT experiment, decided_ms - decided_ms % {width}, arm, count(*),
        count(*) FILTER (WHERE source <> 'policy'), min(decided_ms), max(decided_ms)
    FROM new GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (experiment, {unit}_ms, arm) DO UPDATE SET
        selections = sums.selections + excluded.selections,
        defaults = sums.defaults + excluded.defaults,
        first_ms = least(sums.first_ms, excluded.first_ms),
        last_ms = greatest(sums.last_ms, excluded.last_ms)
"""


def _rewards(unit: str) -> str:
    _, table, width = _WIDTHS[unit]
    return f"""
    INSERT INTO {table} AS sums (experiment, {unit}_ms, arm, count, total, smallest, largest)
    SELECT experiment, minute_ms - minute_ms % {width}, arm, sum(count), sum(total),
        min(smallest), max(largest)
    FROM new GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (experiment, {unit}_ms, arm) DO UPDATE SET
        count = sums.count + excluded.count,
        total = sums.total + excluded.total,
        smallest = least(sums.smallest, excluded.smallest),
        largest = greatest(sums.largest, excluded.largest)
"""


def count_new(source: str) -> str:
    """Insert what ``source`` selects into the decision log and, in the same statement, what it adds
    to the sums; what is archived already adds nothing. Tells how many are new.

    Decisions without a proxy were restored: their unit is not known, nor what their proxy sent.
    """
    return _COUNT_NEW.format(source=source, decisions=_decisions("minute") + _decisions("hour"))


ARCHIVE_DECISIONS = count_new("""
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[],
        $6::uuid[], $7::bigint[], $8::float8[], $9::float8[], $10::float8[], $11::bigint[],
        $12::text[], $13::bytea[], $14::bigint[], $15::float8[], $16::bytea[])
""")

SUM_REWARDS = f"""
WITH new AS (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::float8[],
        $6::float8[], $7::float8[])
        AS new (experiment, minute_ms, arm, count, total, smallest, largest)
), by_minute AS (
    {_rewards("minute")}
)
{_rewards("hour")}
"""


def reward_sums(rows: Sequence[tuple[str, Rows]]) -> list[list[Any]]:
    """What clients sent to experiments, by minute and arm: the arguments of SUM_REWARDS."""
    sums = [_by_minute(experiment, of_one) for experiment, of_one in rows]
    return [list(chain.from_iterable(column)) for column in zip(*sums, strict=True)]


def _by_minute(experiment: str, rows: Rows) -> tuple[Sequence[Any], ...]:
    sent = np.isin(rows.dispositions, sorted(SENT))
    minutes, minute_at = np.unique(rows.received_ms[sent] // MINUTE_MS, return_inverse=True)
    arms, arm_at = np.unique(rows.arms[sent], return_inverse=True)
    cells, at = np.unique(minute_at * len(arms) + arm_at, return_inverse=True)
    rewards = rows.rewards[sent]
    smallest, largest = np.full(len(cells), np.inf), np.full(len(cells), -np.inf)
    np.minimum.at(smallest, at, rewards)
    np.maximum.at(largest, at, rewards)
    columns = (
        MINUTE_MS * minutes[cells // len(arms)],
        arms[cells % len(arms)],
        np.bincount(at),
        np.bincount(at, weights=rewards),
        smallest,
        largest,
    )
    return [experiment] * len(cells), *(column.tolist() for column in columns)
