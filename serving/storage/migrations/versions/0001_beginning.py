"""Catalog, ledger and leases."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_CATALOG = """
CREATE TABLE tenants (
    id text PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE api_keys (
    id text PRIMARY KEY,
    place bigint GENERATED ALWAYS AS IDENTITY,
    tenant text NOT NULL REFERENCES tenants,
    name text NOT NULL,
    key_sha256 text NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    is_active boolean NOT NULL,
    created_ms bigint NOT NULL,
    rate_limit_per_minute bigint,
    last_used_ms bigint
);
CREATE INDEX api_keys_of_tenant ON api_keys (tenant, place);

CREATE TABLE pools (
    id text PRIMARY KEY,
    place bigint GENERATED ALWAYS AS IDENTITY,
    tenant text NOT NULL,
    name text NOT NULL,
    arms json NOT NULL,
    created_ms bigint NOT NULL,
    updated_ms bigint NOT NULL,
    UNIQUE (tenant, name)
);
CREATE INDEX pools_of_tenant ON pools (tenant, place);

CREATE TABLE experiments (
    id text PRIMARY KEY,
    place bigint GENERATED ALWAYS AS IDENTITY,
    tenant text NOT NULL,
    name text NOT NULL,
    pool_id text NOT NULL,
    shard integer NOT NULL,
    policy text NOT NULL,
    parameters json NOT NULL,
    dim integer NOT NULL,
    enabled boolean NOT NULL,
    floor double precision NOT NULL,
    bundle text,
    support text NOT NULL,
    created_ms bigint NOT NULL,
    updated_ms bigint NOT NULL,
    deleted boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX experiments_name ON experiments (tenant, name) WHERE NOT deleted;
CREATE INDEX experiments_of_tenant ON experiments (tenant, place) WHERE NOT deleted;
CREATE INDEX experiments_of_pool ON experiments (pool_id) WHERE NOT deleted;
CREATE INDEX experiments_of_shard ON experiments (shard, place) WHERE NOT deleted;

CREATE TABLE bundles (
    sha256 text NOT NULL,
    tenant text NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (sha256, tenant)
);
ALTER TABLE bundles ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE controls (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    experiment text NOT NULL REFERENCES experiments,
    reason text NOT NULL,
    change json NOT NULL,
    start text NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'applied', 'rejected', 'cancelled')),
    outcome json NOT NULL
);
CREATE INDEX controls_pending ON controls (id) WHERE status = 'pending';
"""

# The key of a row begins with the decision's id, so that one index serves both the question
# whether a reward was counted and the search for a decision; ids that rise with time keep the
# insertions together.
_LEDGER = """
CREATE TABLE leases (
    shard integer PRIMARY KEY,
    holder text NOT NULL,
    term bigint NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE positions (
    stream text PRIMARY KEY,
    incarnation text NOT NULL,
    position text NOT NULL
);

CREATE TABLE batches (
    experiment text NOT NULL REFERENCES experiments,
    version bigint NOT NULL,
    epoch bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('rows', 'control')),
    control text,
    context_width integer,
    recorded_width integer,
    ledger_digest text NOT NULL,
    state_digest text NOT NULL,
    committed_ms bigint NOT NULL,
    PRIMARY KEY (experiment, version)
);

CREATE TABLE ledger (
    experiment text NOT NULL,
    version bigint NOT NULL,
    ordinal integer NOT NULL,
    decision_id uuid NOT NULL,
    feedback_id text NOT NULL,
    arm bigint NOT NULL,
    reward double precision NOT NULL,
    u double precision NOT NULL,
    low double precision NOT NULL,
    propensity double precision NOT NULL,
    state_version bigint NOT NULL,
    epoch bigint NOT NULL,
    disposition bigint NOT NULL,
    decided_ms bigint NOT NULL,
    received_ms bigint NOT NULL,
    context bytea,
    recorded bytea,
    PRIMARY KEY (experiment, version, ordinal)
);

CREATE TABLE ledger_keys (
    decision_id uuid NOT NULL,
    experiment text NOT NULL,
    epoch bigint NOT NULL,
    feedback_id text NOT NULL,
    version bigint NOT NULL,
    ordinal integer NOT NULL,
    PRIMARY KEY (decision_id, experiment, epoch, feedback_id)
) PARTITION BY HASH (decision_id);

CREATE TABLE snapshots (
    experiment text PRIMARY KEY REFERENCES experiments,
    version bigint NOT NULL,
    data bytea NOT NULL
) WITH (fillfactor = 50);
ALTER TABLE snapshots ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE promotions (
    experiment text NOT NULL REFERENCES experiments,
    version bigint NOT NULL,
    bundle text NOT NULL,
    certificate json NOT NULL,
    PRIMARY KEY (experiment, version)
);

CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    experiment text NOT NULL,
    reason text NOT NULL,
    payload bytea NOT NULL,
    buried_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX dead_letters_of_experiment ON dead_letters (experiment, id);

CREATE TABLE decisions (
    cursor bigint GENERATED ALWAYS AS IDENTITY,
    experiment text NOT NULL,
    proxy text NOT NULL,
    number bigint NOT NULL,
    context_id text NOT NULL,
    epoch bigint NOT NULL,
    decision_id uuid NOT NULL,
    arm bigint NOT NULL,
    u double precision NOT NULL,
    low double precision NOT NULL,
    propensity double precision NOT NULL,
    version bigint NOT NULL,
    source text NOT NULL,
    context bytea NOT NULL,
    decided_ms bigint NOT NULL,
    PRIMARY KEY (experiment, cursor),
    UNIQUE (proxy, number)
);
CREATE INDEX decisions_by_id ON decisions (decision_id);
"""

_PARTITIONS = 8


def upgrade() -> None:
    """Make everything."""
    for statement in (_CATALOG + _LEDGER).split(";\n"):
        if statement.strip():
            op.execute(statement)
    for part in range(_PARTITIONS):
        op.execute(
            f"CREATE TABLE ledger_keys_{part} PARTITION OF ledger_keys "
            f"FOR VALUES WITH (MODULUS {_PARTITIONS}, REMAINDER {part})"
        )
