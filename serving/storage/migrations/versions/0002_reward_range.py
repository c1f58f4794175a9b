"""Experiments may declare the smallest and the largest reward."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two numbers, or none as before."""
    op.execute("ALTER TABLE experiments ADD COLUMN reward_range double precision[]")
