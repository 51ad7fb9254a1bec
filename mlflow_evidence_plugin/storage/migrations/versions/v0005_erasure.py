"""what was erased, and signed counts of a subject's leaves"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

DIGEST = sa.String(length=71)
TIME = sa.String(length=24)


def upgrade() -> None:
    """Apply the change."""
    op.add_column(
        "ledger",
        sa.Column("counts_from", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    )
    # Archives under a head of this size or less were handed out without a count.
    op.execute("UPDATE ledger SET counts_from = (SELECT COALESCE(MAX(place) + 1, 0) FROM leaves)")
    op.create_table(
        "counts",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject", DIGEST, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("size", "subject"),
    )
    op.create_table(
        "erasures",
        sa.Column("record_digest", DIGEST, nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("log_subject", DIGEST, nullable=False),
        sa.Column("statement", DIGEST, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("erased_by", sa.Text(), nullable=False),
        sa.Column("erased_at", TIME, nullable=False),
        sa.Column("erased", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["record_digest"], ["records.digest"]),
        sa.ForeignKeyConstraint(["statement"], ["statements.digest"]),
        sa.PrimaryKeyConstraint("record_digest"),
    )
    op.create_index("ix_erasures_log_subject", "erasures", ["log_subject"])
