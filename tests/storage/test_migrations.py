"""A database that an earlier version filled keeps all that it holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

import asyncpg
import numpy as np

from qbrix.bundle import BundleResolver
from qbrix.ledger import Batch, Configuration, Control, Deployment, PolicyRef, Rows, fold, genesis
from serving.storage.connect import open_stores
from serving.storage.migrate import head, migrate
from serving.storage.postgres.database import Connection
from tests.storage.records import TENANT, decision_id

JANUARY_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
FEBRUARY_MS = JANUARY_MS + 31 * 86_400_000
EXPERIMENT = "e" * 32
RESOLVER = BundleResolver()

# One batch at each of these times: two months, their edge, and a clock that was far off.
TIMES = (JANUARY_MS, JANUARY_MS + 5, FEBRUARY_MS - 1, FEBRUARY_MS, 7)

_ROW = """
INSERT INTO ledger VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""
_DECISION = """
INSERT INTO decisions (experiment, proxy, number, context_id, epoch, decision_id, arm, u, low,
    propensity, version, source, context, decided_ms)
VALUES ($1, 'p', $2, 'unit', 0, $3, 1, 0.1, 0, 0.3, 2, 'policy', '', $4)
"""


def _creation() -> Batch:
    ref = PolicyRef(name="LinUCBPolicy@1", parameters={"alpha": 0.1 + 0.2})
    control = Control(
        reason="create", configuration=Configuration(policy=ref, n_arms=2, dim=2), start="init"
    )
    return Batch(epoch=0, version=0, control=control)


def _rows(version: int, *, n: int = 3) -> Batch:
    numbers = np.arange(10 * version, 10 * version + n)
    rows = Rows(
        decision_ids=tuple(map(decision_id, numbers.tolist())),
        feedback_ids=tuple("" if number % 2 else f"größe {number}" for number in numbers.tolist()),
        arms=numbers % 2,
        rewards=1.0 / (numbers + 1),
        u=numbers / 700.0,
        low=numbers / 700.0 - 5e-324,
        propensities=np.nextafter(np.full(n, 0.1), 1.0),
        state_versions=numbers * 0 + version - 1,
        epochs=numbers * 0,
        dispositions=numbers * 0,
        decided_ms=numbers,
        received_ms=numbers + 7,
        contexts=np.column_stack([np.cbrt(numbers + 2.0), -0.0 * numbers]),
    )
    return Batch(epoch=0, version=version, rows=rows)


def _folded() -> list[Deployment]:
    deployments = [genesis(EXPERIMENT, _creation(), RESOLVER)]
    for version in range(1, len(TIMES)):
        deployments.append(fold(deployments[-1], _rows(version), RESOLVER))
    return deployments


async def _fill(connection: Connection, deployments: Iterable[Deployment]) -> None:
    """Write what revision 0006 wrote."""
    await connection.execute(
        "INSERT INTO experiments (id, tenant, name, pool_id, shard, policy, parameters, dim,"
        " enabled, floor, support, created_ms, updated_ms)"
        " VALUES ($1, $2, 'old', 'p', 0, 'LinUCBPolicy', '{}', 2, true, 0, 'continuous', 1, 1)",
        EXPERIMENT,
        TENANT,
    )
    for made, at_ms in zip(deployments, TIMES, strict=True):
        await _fill_batch(connection, made, at_ms)
    for number, at_ms in enumerate(TIMES, start=1):
        await connection.execute(_DECISION, EXPERIMENT, 2 * number, decision_id(number), at_ms)
    await connection.execute("INSERT INTO dead_letters VALUES (DEFAULT, 'e', 'why', 'what')")


async def _fill_batch(connection: Connection, made: Deployment, at_ms: int) -> None:
    batch = _rows(made.version) if made.version else _creation()
    told = None
    if batch.control is not None:
        text = batch.control.configuration.to_json()
        told = json.dumps({"format": 1, "reason": "create", "start": "init", "configuration": text})
    await connection.execute(
        "INSERT INTO batches VALUES ($1, $2, 0, $3, $4, $5, NULL, $6, $7, $8)",
        EXPERIMENT,
        made.version,
        "rows" if batch.rows else "control",
        told,
        2 if batch.rows else None,
        made.ledger_digest,
        made.state_digest,
        at_ms,
    )
    if batch.rows is None:
        return
    rows, contexts = batch.rows, batch.rows.contexts
    assert contexts is not None
    for i in range(len(rows)):
        decision, feedback = rows.decision_ids[i], rows.feedback_ids[i]
        where = EXPERIMENT, made.version, i
        numbers = [
            getattr(rows, name)[i].item()
            for name in ("arms", "rewards", "u", "low", "propensities", "state_versions", "epochs")
        ]
        times = int(rows.decided_ms[i]), int(rows.received_ms[i])
        raw = contexts[i].tobytes()
        await connection.execute(_ROW, *where, decision, feedback, *numbers, 0, *times, raw)
        await connection.execute(
            "INSERT INTO ledger_keys VALUES ($1, $2, 0, $3, $4, $5)",
            decision,
            EXPERIMENT,
            feedback,
            *where[1:],
        )


async def _partitions(connection: Connection, table: str) -> dict[str, int]:
    rows = await connection.fetch(
        f"SELECT tableoid::regclass::text AS part, count(*) FROM {table} GROUP BY 1"
    )
    return {row["part"]: row["count"] for row in rows}


async def test_what_was_in_one_table_folds_to_the_same_digests_from_partitions(
    empty_postgres_url: str, redis_url: str
) -> None:
    deployments = _folded()
    await migrate(empty_postgres_url, to="0006")
    connection = await asyncpg.connect(empty_postgres_url)
    await _fill(connection, deployments)
    assert await migrate(empty_postgres_url) == head()

    parts = await _partitions(connection, "ledger")
    assert parts == {"ledger_202601": 6, "ledger_202602": 3, "ledger_default": 3}
    parts = await _partitions(connection, "decisions")
    assert parts == {"decisions_202601": 3, "decisions_202602": 1, "decisions_default": 1}
    numbers = await connection.fetch("SELECT last, archived FROM decision_numbers")
    assert [tuple(row) for row in numbers] == [(10, 5)]
    await connection.close()

    stores = await open_stores(postgres_url=empty_postgres_url, redis_url=redis_url)
    ledger = stores.ledger
    read = await ledger.batches(EXPERIMENT, after=-1, limit=99)
    again = genesis(EXPERIMENT, read[0].batch, RESOLVER)
    for stored, made in zip(read[1:], deployments[1:], strict=True):
        again = fold(again, stored.batch, RESOLVER)
        assert again.ledger_digest == stored.ledger_digest == made.ledger_digest
        assert again.state_digest == stored.state_digest == made.state_digest
    assert [one.committed_ms for one in read] == list(TIMES)

    events, following = await ledger.decisions(EXPERIMENT, after=0, limit=99)
    assert [event.number for event in events] == [2, 4, 6, 8, 10]
    assert following is None
    of_feedback = await ledger.find_decision(TENANT, decision_id(41))
    assert (of_feedback.arm, of_feedback.propensity) == (1, np.nextafter(0.1, 1.0))
    key, unknown = (EXPERIMENT, 0, decision_id(41), ""), (EXPERIMENT, 0, decision_id(45), "")
    assert await ledger.known([key, unknown]) == {key}
    (letter,) = await stores.archive.dead_letters("e", limit=9)
    assert (letter.reason, letter.payload) == ("why", b"what")
    await stores.close()


async def test_a_month_that_is_made_while_others_write_takes_over_what_they_wrote(
    fresh_postgres_url: str,
) -> None:
    writer, maker = [await asyncpg.connect(fresh_postgres_url) for _ in range(2)]
    await writer.execute(_DECISION, EXPERIMENT, 1, decision_id(1), JANUARY_MS)
    writing = writer.transaction()
    await writing.start()
    await writer.execute(_DECISION, EXPERIMENT, 2, decision_id(2), JANUARY_MS + 1)
    making = asyncio.create_task(
        maker.fetchval("SELECT make_partition('decisions', $1)", JANUARY_MS)
    )
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    while not await writer.fetchval(waiting):
        assert not making.done()
    await writing.commit()
    assert await making == "decisions_202601"
    assert await _partitions(maker, "decisions") == {"decisions_202601": 2}
    assert await maker.fetchval("SELECT make_partition('decisions', $1)", FEBRUARY_MS - 1) is None
    for connection in (writer, maker):
        await connection.close()
