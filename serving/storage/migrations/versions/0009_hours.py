"""Sums by the hour, and sketches of who was decided for: a month is read without its rows."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE decision_hours (
    experiment text NOT NULL,
    hour_ms bigint NOT NULL,
    arm bigint NOT NULL,
    selections bigint NOT NULL,
    defaults bigint NOT NULL,
    first_ms bigint NOT NULL,
    last_ms bigint NOT NULL,
    PRIMARY KEY (experiment, hour_ms, arm)
) WITH (fillfactor = 70);

CREATE TABLE reward_hours (
    experiment text NOT NULL,
    hour_ms bigint NOT NULL,
    arm bigint NOT NULL,
    count bigint NOT NULL,
    total double precision NOT NULL,
    smallest double precision NOT NULL,
    largest double precision NOT NULL,
    PRIMARY KEY (experiment, hour_ms, arm)
) WITH (fillfactor = 70);

INSERT INTO decision_hours
SELECT experiment, minute_ms - mod(minute_ms, 3600000), arm, sum(selections), sum(defaults),
    min(first_ms), max(last_ms)
FROM decision_sums GROUP BY 1, 2, 3;

INSERT INTO reward_hours
SELECT experiment, minute_ms - mod(minute_ms, 3600000), arm, sum(count), sum(total),
    min(smallest), max(largest)
FROM reward_sums GROUP BY 1, 2, 3;

CREATE TABLE context_sketches (
    experiment text NOT NULL,
    width_ms bigint NOT NULL,
    start_ms bigint NOT NULL,
    hashes bigint[] NOT NULL,
    PRIMARY KEY (experiment, width_ms, start_ms)
)
"""


def upgrade() -> None:
    """The hours from the minutes; sketches are made by upkeep from the decision log."""
    for statement in _TABLES.split(";\n"):
        op.execute(statement)
