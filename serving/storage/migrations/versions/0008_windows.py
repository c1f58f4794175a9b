"""Rewards late, missing and corrected: windows, and older states to go back to."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Held rewards (disposition 4) are looked for by the time of their decision, when its window closes.
_WINDOWS = """
ALTER TABLE experiments ADD COLUMN window_s double precision;
ALTER TABLE experiments ADD COLUMN default_reward double precision;
ALTER TABLE experiments ADD COLUMN aggregation text NOT NULL DEFAULT 'first';

ALTER TABLE decisions ADD COLUMN recorded bytea NOT NULL DEFAULT '';

CREATE TABLE windows (
    experiment text PRIMARY KEY REFERENCES experiments,
    closed_ms bigint NOT NULL,
    closed_id uuid NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE checkpoints (
    experiment text NOT NULL REFERENCES experiments,
    epoch bigint NOT NULL,
    version bigint NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (experiment, version)
);
ALTER TABLE checkpoints ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE INDEX ledger_held ON ledger (experiment, decided_ms, decision_id) WHERE disposition = 4
"""


def upgrade() -> None:
    """What there is learns as it did: every reward at once, for ever."""
    for statement in _WINDOWS.split(";\n"):
        op.execute(statement)
