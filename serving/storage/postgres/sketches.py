"""How many different units a span of time had, without reading all of its decisions.

A sketch holds the smallest hashes of an hour's or a day's units (bottom-k: Bar-Yossef et al.,
*Counting distinct elements in a data stream*, 2002, algorithm 2). The smallest hashes of many
sketches together are those of all their units; with fewer than k of them the count is exact,
otherwise (k - 1) divided by the k-th smallest, as a share of the range, has a relative standard
error of 1/sqrt(k - 2), 1.6 %.
"""

from __future__ import annotations

import time

from serving.storage.base_insight import HOUR_MS, Span
from serving.storage.postgres.database import Database

__all__ = ["DAY_MS", "SMALL", "K", "count_contexts", "sketch"]

K = 4096
DAY_MS = 86_400_000
_EVER = 2**62
_SETTLED_MS = 600_000  # decisions of an hour that come later than this are not in its sketch
_PATIENCE_S = 5.0
SMALL = 50_000

# 63 bits, so that the order of numbers is that of the hashes.
_HASH = "(hashtextextended(context_id, 0) & 9223372036854775807)"
_RANGE = 2**63

_MISSING = """
SELECT id AS experiment, spans.start_ms FROM experiments, LATERAL (
    SELECT DISTINCT hour_ms - hour_ms % {width} AS start_ms FROM decision_hours
    WHERE experiment = id AND hour_ms >= $1 AND hour_ms < $2
    EXCEPT SELECT start_ms FROM context_sketches
    WHERE experiment = id AND width_ms = {width} AND start_ms >= $1
) AS spans
ORDER BY spans.start_ms LIMIT 100
"""
_MOVE = """
INSERT INTO positions (stream, incarnation, position) VALUES ($1, '', $2)
ON CONFLICT (stream) DO UPDATE SET position = excluded.position
"""
_SKETCH_HOUR = f"""
INSERT INTO context_sketches (experiment, width_ms, start_ms, hashes)
SELECT $1, {HOUR_MS}, $2, coalesce(array_agg(hash), '{{}}') FROM (
    SELECT DISTINCT {_HASH} AS hash FROM decisions
    WHERE experiment = $1 AND decided_ms >= $2 AND decided_ms < $3 AND proxy <> ''
    ORDER BY hash LIMIT {K}
) AS smallest
ON CONFLICT (experiment, width_ms, start_ms) DO NOTHING
"""
_SKETCH_DAY = f"""
INSERT INTO context_sketches (experiment, width_ms, start_ms, hashes)
SELECT $1, {DAY_MS}, $2, coalesce(array_agg(hash), '{{}}') FROM (
    SELECT DISTINCT hash FROM context_sketches, unnest(hashes) AS hash
    WHERE experiment = $1 AND width_ms = {HOUR_MS} AND start_ms >= $2 AND start_ms < $3
    ORDER BY hash LIMIT {K}
) AS smallest
ON CONFLICT (experiment, width_ms, start_ms) DO NOTHING
"""
_SIZE = """
SELECT coalesce(sum(selections), 0)::bigint AS selections FROM decision_hours
WHERE experiment = $1 AND hour_ms > $2::bigint - 3600000 AND hour_ms < $3
"""
_EXACTLY = """
SELECT count(DISTINCT context_id) FROM decisions
WHERE experiment = $1 AND decided_ms >= $2 AND decided_ms < $3 AND proxy <> ''
"""
_SMALLEST = f"""
WITH days AS MATERIALIZED (
    SELECT start_ms, hashes FROM context_sketches
    WHERE experiment = $1 AND width_ms = {DAY_MS} AND start_ms >= $2::bigint
        AND start_ms <= $3::bigint - {DAY_MS}
), hours AS MATERIALIZED (
    SELECT start_ms, hashes FROM context_sketches
    WHERE experiment = $1 AND width_ms = {HOUR_MS} AND start_ms >= $2
        AND start_ms <= $3 - {HOUR_MS}
        AND start_ms - start_ms % {DAY_MS} NOT IN (SELECT start_ms FROM days)
), rest AS MATERIALIZED (
    SELECT DISTINCT hour_ms AS start_ms FROM decision_hours
    WHERE experiment = $1 AND hour_ms > $2 - {HOUR_MS} AND hour_ms < $3
        AND hour_ms - hour_ms % {DAY_MS} NOT IN (SELECT start_ms FROM days)
        AND hour_ms NOT IN (SELECT start_ms FROM hours)
)
SELECT DISTINCT hash FROM (
    SELECT unnest(hashes) AS hash FROM days
    UNION ALL SELECT unnest(hashes) FROM hours
    UNION ALL SELECT hash FROM rest, LATERAL (
        SELECT DISTINCT {_HASH} AS hash FROM decisions
        WHERE experiment = $1 AND decided_ms >= greatest(rest.start_ms, $2)
            AND decided_ms < least(rest.start_ms + {HOUR_MS}, $3) AND proxy <> ''
        ORDER BY hash LIMIT {K}
    ) AS smallest
) AS met ORDER BY hash LIMIT {K}
"""


async def count_contexts(
    database: Database, experiment: str, *, span: Span, small: int = SMALL
) -> int:
    """Units of a span: exactly where it has at most ``small`` decisions or less than k units, else
    within some percent.
    """
    start = 0 if span.start_ms is None else span.start_ms
    end = _EVER if span.end_ms is None else span.end_ms
    size = await database.row(_SIZE, experiment, start, end)
    if size is None or size["selections"] <= small:
        row = await database.row(_EXACTLY, experiment, start, end)
        return 0 if row is None else int(row["count"])
    hashes = [row["hash"] for row in await database.fetch(_SMALLEST, experiment, start, end)]
    if len(hashes) < K:
        return len(hashes)
    return round((K - 1) * _RANGE / int(hashes[-1]))


async def sketch(database: Database, *, now_ms: int) -> int:
    """Make the sketches of hours and days that are over; how many, for a few seconds at most."""
    ends_s, made = time.monotonic() + _PATIENCE_S, 0
    for width_ms, statement in ((HOUR_MS, _SKETCH_HOUR), (DAY_MS, _SKETCH_DAY)):
        stream = f"sketched.{width_ms}"  # of table positions: up to which time all have one
        row = await database.row("SELECT position FROM positions WHERE stream = $1", stream)
        start_ms = 0 if row is None else int(row["position"])
        edge_ms = (now_ms - _SETTLED_MS) // width_ms * width_ms
        if start_ms >= edge_ms:
            continue
        missing = _MISSING.format(width=width_ms)
        while spans := await database.fetch(missing, start_ms, edge_ms):
            for span in spans:
                if time.monotonic() > ends_s:  # days are made of hours: these come first
                    return made
                first_ms = span["start_ms"]
                await database.write(statement, span["experiment"], first_ms, first_ms + width_ms)
                made += 1
        await database.write(_MOVE, stream, str(edge_ms))
    return made
