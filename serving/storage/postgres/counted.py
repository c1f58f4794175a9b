"""What the ledger's keys tell: which rewards it has, and who has keys that are no rewards'."""

from __future__ import annotations

from collections.abc import Sequence

from serving.storage.postgres.database import Database
from serving.storage.records import Key

__all__ = ["known", "marked"]

# One index search each, whatever the planner believes.
_KNOWN = (
    "SELECT found.* FROM unnest(string_to_array($1, ',')::uuid[]) AS asked (id),"
    " LATERAL (SELECT experiment, epoch, decision_id, feedback_id FROM ledger_keys"
    " WHERE decision_id = asked.id OFFSET 0) AS found"
)
_MARKED = (
    "SELECT asked.id FROM unnest($1::text[]) AS asked (id),"
    " LATERAL (SELECT FROM ledger_keys WHERE experiment = asked.id"
    " AND left(feedback_id, 1) = E'\\x1f' LIMIT 1) AS found"
)


async def known(database: Database, keys: Sequence[Key]) -> set[Key]:
    """All keys of the decisions that these are about."""
    if not keys:
        return set()
    rows = await database.fetch(_KNOWN, ",".join({key[2] for key in keys}))
    return {
        (row["experiment"], row["epoch"], row["decision_id"].hex, row["feedback_id"])
        for row in rows
    }


async def marked(database: Database, experiments: Sequence[str]) -> set[str]:
    """Those with keys of our own; an index of nothing but these tells."""
    return {row["id"] for row in await database.fetch(_MARKED, list(experiments))}
