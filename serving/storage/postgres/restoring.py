"""Decisions that died with their proxy, put back into the log from what their feedback tells."""

from __future__ import annotations

import time

from serving.storage.postgres.database import Database
from serving.storage.postgres.sums import count_new

__all__ = ["restore"]

_STREAM = "restored"  # of table positions: up to which commit the log was compared
_SLICE_MS = 1000  # at first; what is done quickly is followed by more, what is slow by less
_SHORT_S, _LONG_S = 0.1, 1.0
_REACH_MS = 86_400_000
_PATIENCE_S = 5.0

# One index search per decision, whatever the planner believes. Under sampling a decision comes
# back only when it was to be kept (see `serving.sampling`), at the rate that the log shows. Its
# number is made of its id: to restore it twice does nothing.
_RESTORE = count_new("""
    WITH told AS MATERIALIZED (
        SELECT *, encode(sha256(uuid_send(decision_id)), 'hex') AS hash
        FROM ledger WHERE committed_ms >= $1 AND committed_ms < $2
    ), rates AS MATERIALIZED (
        SELECT experiment, coalesce((
            SELECT sampling FROM decisions WHERE decisions.experiment = asked.experiment
            ORDER BY cursor DESC LIMIT 1), 1) AS sampling
        FROM (SELECT DISTINCT experiment FROM told) AS asked
    )
    SELECT DISTINCT ON (experiment, epoch, decision_id)
        '', ('x' || left(hash, 16))::bit(64)::bigint, experiment, '', epoch, decision_id, arm, u,
        low, propensity, state_version, CASE disposition WHEN 1 THEN 'gate' ELSE 'policy' END,
        coalesce(context, ''), decided_ms, sampling, coalesce(recorded, '')
    FROM told JOIN rates USING (experiment)
    WHERE NOT EXISTS (
            SELECT 1 FROM (
                SELECT experiment, epoch FROM decisions
                WHERE decision_id = told.decision_id OFFSET 0) AS kept
            WHERE kept.experiment = told.experiment AND kept.epoch = told.epoch OFFSET 0)
        AND (sampling >= 1 OR ('x' || left(hash, 8))::bit(32)::bigint < sampling * 4294967296)
    ORDER BY experiment, epoch, decision_id, version, ordinal
""")


async def restore(database: Database, *, until_ms: int) -> int:
    """Compare the ledger's rows that were committed before a time with the log; how many came back.

    The day before the first call is looked at; after that each commit once.
    """
    ends_s = time.monotonic() + _PATIENCE_S
    row = await database.row("SELECT position FROM positions WHERE stream = $1", _STREAM)
    start_ms = until_ms - _REACH_MS if row is None else int(row["position"])
    restored, slice_ms = 0, _SLICE_MS
    while start_ms < until_ms and (began_s := time.monotonic()) < ends_s:
        end_ms = min(start_ms + slice_ms, until_ms)
        async with database.transaction() as connection:
            restored += await connection.fetchval(_RESTORE, start_ms, end_ms)
            await connection.execute(
                "INSERT INTO positions (stream, incarnation, position) VALUES ($1, '', $2)"
                " ON CONFLICT (stream) DO UPDATE SET position = excluded.position",
                _STREAM,
                str(end_ms),
            )
        start_ms = end_ms
        took_s = time.monotonic() - began_s
        if took_s < _SHORT_S:
            slice_ms *= 2
        elif took_s > _LONG_S:
            slice_ms = max(1, slice_ms // 2)
    return restored
