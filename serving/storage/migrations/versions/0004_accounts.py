"""People, workspaces, invites, sessions, and who wrote what."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ACCOUNTS = """
ALTER TABLE tenants ADD COLUMN title text;
ALTER TABLE tenants ADD COLUMN created_ms bigint NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN owner text;

CREATE TABLE users (
    id text PRIMARY KEY,
    place bigint GENERATED ALWAYS AS IDENTITY,
    tenant text NOT NULL REFERENCES tenants,
    email text NOT NULL UNIQUE,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('viewer', 'member', 'admin')),
    password_hash text NOT NULL,
    created_ms bigint NOT NULL,
    changed_ms bigint NOT NULL,
    is_active boolean NOT NULL,
    email_verified boolean NOT NULL,
    revision bigint NOT NULL,
    sessions_from bigint NOT NULL
);
CREATE INDEX users_of_tenant ON users (tenant, place);
CREATE INDEX users_by_change ON users (changed_ms);

CREATE TABLE invites (
    id text PRIMARY KEY,
    place bigint GENERATED ALWAYS AS IDENTITY,
    tenant text NOT NULL REFERENCES tenants,
    email text NOT NULL,
    role text NOT NULL CHECK (role IN ('viewer', 'member', 'admin')),
    token_sha256 text NOT NULL UNIQUE,
    invited_by text,
    created_ms bigint NOT NULL,
    expires_ms bigint NOT NULL,
    UNIQUE (tenant, email)
);

CREATE TABLE sessions (
    token_sha256 text PRIMARY KEY,
    family text NOT NULL,
    user_id text NOT NULL REFERENCES users,
    expires_ms bigint NOT NULL,
    used boolean NOT NULL DEFAULT false
);
CREATE INDEX sessions_of_family ON sessions (family);
CREATE INDEX sessions_of_user ON sessions (user_id);

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text NOT NULL,
    at_ms bigint NOT NULL,
    user_id text,
    key_id text,
    action text NOT NULL,
    subject text NOT NULL,
    request_id text
);
CREATE INDEX audit_of_tenant ON audit (tenant, id)
"""


def upgrade() -> None:
    """Make the tables; keys made before have no owner."""
    for statement in _ACCOUNTS.split(";\n"):
        op.execute(statement)
