"""Rows of the ledger are found by the time of their receipt without a place in an index each."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rows come in about the order of their receipt, so that ranges of pages tell them apart."""
    op.execute("DROP INDEX ledger_by_time")
    op.execute(
        "CREATE INDEX ledger_by_receipt ON ledger USING brin (received_ms)"
        " WITH (autosummarize = on)"
    )


def downgrade() -> None:
    """Every row is in the index again."""
    op.execute("DROP INDEX ledger_by_receipt")
    op.execute("CREATE INDEX ledger_by_time ON ledger (experiment, received_ms)")
