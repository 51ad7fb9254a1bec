"""the verdict that stands, deliveries of other systems, roles of tokens, runs by experiment"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

DIGEST = sa.String(length=71)
TIME = sa.String(length=24)


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "standing",
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("experiment", sa.Text(), nullable=True),
        sa.Column("policy_digest", DIGEST, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("checked_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("store", "subject", "environment"),
    )
    op.create_index("ix_standing_checked", "standing", ["checked_at"])
    op.create_table(
        "deliveries",
        sa.Column("consumer", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("consumer", "id"),
    )
    op.create_index("ix_deliveries_received", "deliveries", ["received_at"])
    op.create_index("ix_listings_experiment", "listings", ["store", "experiment", "id"])
    op.add_column(
        "tokens", sa.Column("roles", sa.Text(), nullable=False, server_default=sa.text("'[]'"))
    )
    op.add_column("tokens", sa.Column("environment", sa.Text(), nullable=True))
