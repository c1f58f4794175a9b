"""Experiments may declare how properties become a context."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A list of features, or none as before."""
    op.execute("ALTER TABLE experiments ADD COLUMN context_schema json")
