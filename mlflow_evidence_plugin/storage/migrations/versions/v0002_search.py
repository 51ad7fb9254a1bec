"""search, idempotency keys, decisions by store"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "listings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("record_digest", sa.String(length=71), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("experiment", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("ticket", sa.Text(), nullable=True),
        sa.Column("captured_at", sa.String(length=24), nullable=False),
        sa.ForeignKeyConstraint(["record_digest"], ["records.digest"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("record_digest"),
    )
    op.create_index("ix_listings_store", "listings", ["store", "id"])
    op.create_table(
        "labels",
        sa.Column("label", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("label", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("evaluated_at", sa.String(length=24), nullable=False),
        sa.Column("expires_at", sa.String(length=24), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["listings.id"]),
        sa.PrimaryKeyConstraint("id", "environment"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "requests",
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("capture_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("principal", "key"),
    )
    op.create_index("ix_requests_created_at", "requests", ["created_at"])
    op.drop_index("ix_observations_model", "observations")
    op.drop_index("ix_observations_run", "observations")
    op.add_column("captures", sa.Column("fingerprint", sa.String(length=64), nullable=True))
    op.create_index("ix_captures_fingerprint", "captures", ["fingerprint", "state"])
    _decisions_by_store()


def _decisions_by_store() -> None:
    op.add_column("decisions", sa.Column("store", sa.Text(), nullable=True))
    decisions = sa.table("decisions", sa.column("seq"), sa.column("body"), sa.column("store"))
    connection = op.get_bind()
    for seq, body in connection.execute(sa.select(decisions.c.seq, decisions.c.body)).all():
        told = json.loads(body)["store"]
        connection.execute(decisions.update().where(decisions.c.seq == seq).values(store=told))
    with op.batch_alter_table("decisions") as batch_op:
        batch_op.alter_column("store", existing_type=sa.Text(), nullable=False)
        batch_op.drop_index("ix_decisions_subject")
        batch_op.create_index("ix_decisions_subject", ["store", "subject", "environment", "seq"])
