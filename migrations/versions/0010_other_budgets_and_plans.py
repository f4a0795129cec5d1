"""Jobs that take another point of a finished curve, and jobs that carry out a given plan.

Workers of versions before this one do not claim them: their device has a name that those do not know.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("parent_id", sa.String(40), nullable=True))
    op.add_column("jobs", sa.Column("root_id", sa.String(40), nullable=True))
    op.add_column("jobs", sa.Column("plan", sa.JSON(), nullable=True))
    op.add_column("job_files", sa.Column("size_bytes", sa.BigInteger(), nullable=True))
    op.create_index("ix_jobs_parent_id", "jobs", ["parent_id"])
    op.create_table(
        "curve_budgets",
        sa.Column("root_id", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("team_id", sa.String(40), nullable=False),
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("max_accuracy_drop", sa.Float(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_curve_budgets_team_id_teams"),
        sa.PrimaryKeyConstraint("root_id", "number", name="pk_curve_budgets"),
        sa.UniqueConstraint("job_id", name="uq_curve_budgets_job_id"),
    )


def downgrade() -> None:
    # What the earlier version would run as a search, it must not find.
    op.execute(
        "UPDATE jobs SET state = 'cancelled', finished_at = created_at, owner = NULL, lease_expires_at = NULL"
        " WHERE (parent_id IS NOT NULL OR plan IS NOT NULL) AND state NOT IN ('succeeded', 'cancelled', 'failed')"
    )
    op.drop_table("curve_budgets")
    op.drop_column("job_files", "size_bytes")
    op.drop_index("ix_jobs_parent_id", "jobs")
    for name in ("plan", "root_id", "parent_id"):
        op.drop_column("jobs", name)
