"""Whose turn it is, without a look at all that waits: indexes of what waits alone; uploads are served in turns, too.

What the processes of a service know their storage by.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_jobs_waiting", "jobs", ["team_id", sa.text("priority DESC"), "id"], "state = 'queued'"),
    ("ix_uploads_waiting", "uploads", ["team_id", "id"], "state = 'stored'"),
    ("ix_webhook_deliveries_waiting", "webhook_deliveries", ["webhook_id", "not_before"], "state = 'pending'"),
    ("ix_webhook_deliveries_sent", "webhook_deliveries", ["webhook_id"], "lease_expires_at IS NOT NULL"),
)


def upgrade() -> None:
    op.create_table(
        "storage_marks",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("blob_key", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_storage_marks"),
    )
    op.add_column("uploads", sa.Column("served_seq", sa.BigInteger(), nullable=True))
    op.create_index("ix_uploads_served_seq", "uploads", ["served_seq"])
    op.create_index("ix_uploads_team_id_served_seq", "uploads", ["team_id", "served_seq"])
    for name, table, columns, condition in INDEXES:
        waiting = sa.text(condition)
        op.create_index(name, table, columns, postgresql_where=waiting, sqlite_where=waiting)


def downgrade() -> None:
    for name, table, *_ in INDEXES:
        op.drop_index(name, table)
    op.drop_index("ix_uploads_team_id_served_seq", "uploads")
    op.drop_index("ix_uploads_served_seq", "uploads")
    op.drop_column("uploads", "served_seq")
    op.drop_table("storage_marks")
