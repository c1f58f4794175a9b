"""Which experiments have keys of our own (retractions, closed windows) is known at once."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """An index without the keys of rewards, which are nearly all."""
    op.execute(
        "CREATE INDEX ledger_keys_marked ON ledger_keys (experiment)"
        " WHERE left(feedback_id, 1) = E'\\x1f'"
    )


def downgrade() -> None:
    """Nobody asks."""
    op.execute("DROP INDEX ledger_keys_marked")
