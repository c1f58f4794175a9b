"""Ledger and decision log in monthly partitions; keys that can be pruned; letters sent again."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# A partition is filled before it is attached, so that it takes over what the default partition
# holds of its month; nobody may add to that meanwhile. Months are UTC's, whatever the session's
# time zone is.
_FUNCTION = """
CREATE FUNCTION make_partition(parent text, at_ms bigint) RETURNS text
LANGUAGE plpgsql AS $make$
DECLARE
    first timestamp := date_trunc('month', to_timestamp(at_ms / 1000.0) AT TIME ZONE 'UTC');
    first_ms bigint := extract(epoch FROM first) * 1000;
    next_ms bigint := extract(epoch FROM first + interval '1 month') * 1000;
    name text := parent || '_' || to_char(first, 'YYYYMM');
    key text := (
        SELECT attname FROM pg_partitioned_table
        JOIN pg_attribute ON attrelid = partrelid AND attnum = partattrs[0]
        WHERE partrelid = parent::regclass
    );
BEGIN
    IF to_regclass(name) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE 'LOCK TABLE ' || parent || '_default IN ACCESS EXCLUSIVE MODE';
    EXECUTE 'CREATE TABLE ' || name || ' (LIKE ' || parent
        || ' INCLUDING DEFAULTS INCLUDING STORAGE)';
    EXECUTE 'WITH moved AS (DELETE FROM ' || parent || '_default WHERE ' || key || ' >= '
        || first_ms || ' AND ' || key || ' < ' || next_ms || ' RETURNING *)'
        || ' INSERT INTO ' || name || ' SELECT * FROM moved';
    EXECUTE 'ALTER TABLE ' || parent || ' ATTACH PARTITION ' || name
        || ' FOR VALUES FROM (' || first_ms || ') TO (' || next_ms || ')';
    RETURN name;
END
$make$
"""

_LEDGER = """
ALTER TABLE ledger DROP CONSTRAINT ledger_pkey;
DROP INDEX ledger_by_time;
ALTER TABLE ledger RENAME TO old_ledger;
CREATE TABLE ledger (
    LIKE old_ledger INCLUDING DEFAULTS,
    committed_ms bigint NOT NULL,
    PRIMARY KEY (experiment, version, ordinal, committed_ms)
) PARTITION BY RANGE (committed_ms);
CREATE TABLE ledger_default PARTITION OF ledger DEFAULT;
CREATE INDEX ledger_by_time ON ledger (experiment, received_ms);
CREATE INDEX ledger_by_commit ON ledger USING brin (committed_ms) WITH (autosummarize = on);
{months};
INSERT INTO ledger SELECT old_ledger.*, batches.committed_ms
FROM old_ledger JOIN batches USING (experiment, version);
DROP TABLE old_ledger;

ALTER TABLE ledger_keys ADD COLUMN committed_ms bigint;
UPDATE ledger_keys SET committed_ms = batches.committed_ms FROM batches
WHERE batches.experiment = ledger_keys.experiment AND batches.version = ledger_keys.version;
ALTER TABLE ledger_keys ALTER COLUMN committed_ms SET NOT NULL;
CREATE INDEX ledger_keys_by_commit ON ledger_keys USING brin (committed_ms)
WITH (autosummarize = on)
"""

_DECISIONS = """
ALTER TABLE decisions DROP CONSTRAINT decisions_pkey;
ALTER TABLE decisions DROP CONSTRAINT decisions_proxy_number_key;
DROP INDEX decisions_by_id;
DROP INDEX decisions_by_time;
ALTER TABLE decisions RENAME TO old_decisions;
CREATE SEQUENCE decision_cursors;
CREATE TABLE decisions (
    LIKE old_decisions,
    sampling double precision NOT NULL DEFAULT 1,
    PRIMARY KEY (experiment, cursor, decided_ms),
    UNIQUE (proxy, number, decided_ms)
) PARTITION BY RANGE (decided_ms);
ALTER TABLE decisions ALTER COLUMN cursor SET DEFAULT nextval('decision_cursors');
CREATE TABLE decisions_default PARTITION OF decisions DEFAULT;
CREATE INDEX decisions_by_id ON decisions (decision_id);
CREATE INDEX decisions_by_time ON decisions (experiment, decided_ms);
{months};
INSERT INTO decisions SELECT * FROM old_decisions;
SELECT setval('decision_cursors', (SELECT coalesce(max(cursor), 0) + 1 FROM old_decisions));
DROP TABLE old_decisions;

CREATE TABLE decision_numbers (
    proxy text PRIMARY KEY,
    last bigint NOT NULL,
    archived bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO decision_numbers SELECT proxy, max(number), count(*) FROM decisions GROUP BY proxy;

ALTER TABLE dead_letters ADD COLUMN redriven_at timestamptz
"""

# Months that somebody lived in; a clock that was far off leaves its rows in the default partition.
_MONTHS = """
SELECT make_partition('{table}', month_ms) FROM (
    SELECT DISTINCT (extract(epoch FROM date_trunc(
        'month', to_timestamp({key} / 1000.0) AT TIME ZONE 'UTC')) * 1000)::bigint AS month_ms
    FROM {source} WHERE {key} >= 1577836800000 AND {key} < 4102444800000
) AS months ORDER BY month_ms
"""


def upgrade() -> None:
    """Every row keeps all that it holds, digests included."""
    op.execute(_FUNCTION)
    _run(_LEDGER, table="ledger", key="committed_ms", source="batches")
    _run(_DECISIONS, table="decisions", key="decided_ms", source="old_decisions")


def _run(script: str, *, table: str, key: str, source: str) -> None:
    months = _MONTHS.format(table=table, key=key, source=source).strip()
    for statement in script.format(months=months).split(";\n"):
        op.execute(statement)
