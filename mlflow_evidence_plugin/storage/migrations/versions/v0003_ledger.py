"""the log of all statements, their keys and timestamps, statements of others"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

DIGEST = sa.String(length=71)
TIME = sa.String(length=24)


def upgrade() -> None:
    """Apply the change."""
    op.add_column("statements", sa.Column("environment", sa.Text(), nullable=True))
    op.add_column(
        "statements",
        sa.Column("superseded", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "attestations",
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("record_digest", DIGEST, nullable=False),
        sa.Column("predicate_type", sa.Text(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("signer", sa.Text(), nullable=True),
        sa.Column("key_id", sa.String(length=64), nullable=True),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("received_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["record_digest"], ["records.digest"]),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ix_attestations_record_digest", "attestations", ["record_digest"])
    op.create_table(
        "ledger",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "leaves",
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject", DIGEST, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("previous", DIGEST, nullable=True),
        sa.Column("statement", DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("place"),
        sa.UniqueConstraint("statement"),
        sa.UniqueConstraint("subject", "sequence", name="uq_leaves_subject"),
    )
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "nodes",
        sa.Column("id", number, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "heads",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("size"),
    )
    op.create_table(
        "timestamps",
        sa.Column("statement", DIGEST, nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("time", TIME, nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["statement"], ["statements.digest"]),
        sa.PrimaryKeyConstraint("statement"),
    )
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("not_before", TIME, nullable=False),
        sa.Column("not_after", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
