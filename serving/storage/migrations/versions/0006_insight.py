"""Sums over the decision log and the ledger, and indexes by time for what they do not answer."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE decision_sums (
    experiment text NOT NULL,
    minute_ms bigint NOT NULL,
    arm bigint NOT NULL,
    selections bigint NOT NULL,
    defaults bigint NOT NULL,
    first_ms bigint NOT NULL,
    last_ms bigint NOT NULL,
    PRIMARY KEY (experiment, minute_ms, arm)
) WITH (fillfactor = 70);

CREATE TABLE reward_sums (
    experiment text NOT NULL,
    minute_ms bigint NOT NULL,
    arm bigint NOT NULL,
    count bigint NOT NULL,
    total double precision NOT NULL,
    smallest double precision NOT NULL,
    largest double precision NOT NULL,
    PRIMARY KEY (experiment, minute_ms, arm)
) WITH (fillfactor = 70);

CREATE TABLE decision_contexts (
    experiment text NOT NULL,
    context bytea NOT NULL,
    PRIMARY KEY (experiment, context)
);

CREATE TABLE context_counts (
    experiment text PRIMARY KEY,
    contexts bigint NOT NULL
);

CREATE INDEX decisions_by_time ON decisions (experiment, decided_ms);
CREATE INDEX ledger_by_time ON ledger (experiment, received_ms);

INSERT INTO decision_sums
SELECT experiment, decided_ms - mod(decided_ms, 60000), arm, count(*),
    count(*) FILTER (WHERE source <> 'policy'), min(decided_ms), max(decided_ms)
FROM decisions GROUP BY 1, 2, 3;

INSERT INTO reward_sums
SELECT experiment, received_ms - mod(received_ms, 60000), arm, count(*), sum(reward), min(reward),
    max(reward)
FROM ledger GROUP BY 1, 2, 3;

INSERT INTO decision_contexts
SELECT DISTINCT experiment, sha256(convert_to(context_id, 'UTF8')) FROM decisions;

INSERT INTO context_counts SELECT experiment, count(*) FROM decision_contexts GROUP BY experiment;
"""


def upgrade() -> None:
    """Make the tables and fill them from what was archived."""
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
