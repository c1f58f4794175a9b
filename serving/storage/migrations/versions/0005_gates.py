"""Experiments may have a gate."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A gate with its version, or none as before."""
    op.execute("ALTER TABLE experiments ADD COLUMN gate json")
