"""A control change keeps the name of the request that asked for it."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A column that older roles do not know of and need not fill."""
    op.execute("ALTER TABLE controls ADD COLUMN request_id text")


def downgrade() -> None:
    """Forget the names."""
    op.execute("ALTER TABLE controls DROP COLUMN request_id")
