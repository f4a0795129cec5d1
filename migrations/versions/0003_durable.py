"""Fair order, priorities, devices, usage, workers; steps over many workers and what attempts hand on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
        jobs.add_column(sa.Column("device", sa.String(length=10), server_default="auto", nullable=False))
        jobs.add_column(sa.Column("runs_on", sa.String(length=10), nullable=True))
        jobs.add_column(sa.Column("turn", sa.BigInteger(), nullable=True))
        jobs.add_column(sa.Column("run_seconds", sa.Float(), server_default="0", nullable=False))
        jobs.add_column(sa.Column("gpu_seconds", sa.Float(), server_default="0", nullable=False))
        jobs.add_column(sa.Column("step_seconds", sa.JSON(), nullable=True))
        jobs.add_column(sa.Column("likeness", sa.String(length=80), nullable=True))
        jobs.create_index("ix_jobs_turn", ["turn"])
        jobs.create_index("ix_jobs_team_id_turn", ["team_id", "turn"])
        jobs.create_index("ix_jobs_likeness", ["likeness", "finished_at"])
    op.create_table(
        "team_usage",
        sa.Column("team_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("run_seconds", sa.Float(), nullable=False),
        sa.Column("gpu_seconds", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_team_usage_team_id_teams"),
        sa.PrimaryKeyConstraint("team_id", "day", name="pk_team_usage"),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("host", sa.String(length=200), nullable=False),
        sa.Column("devices", sa.JSON(), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
    op.create_table(
        "job_steps",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("scope", sa.String(length=60), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("rates", sa.JSON(), nullable=True),
        sa.Column("value", sa.JSON(), nullable=True),
        sa.Column("owner", sa.String(length=200), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_steps_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "scope", "key", name="pk_job_steps"),
    )
    op.create_index("ix_job_steps_owner", "job_steps", ["owner"])
    op.create_table(
        "job_files",
        sa.Column("blob_key", sa.String(length=300), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("scope", sa.String(length=60), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_files_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("blob_key", name="pk_job_files"),
    )
    op.create_index("ix_job_files_job_id", "job_files", ["job_id"])


def downgrade() -> None:
    for table in ("job_files", "job_steps", "workers", "team_usage"):
        op.drop_table(table)
    with op.batch_alter_table("jobs") as jobs:
        for index in ("ix_jobs_likeness", "ix_jobs_team_id_turn", "ix_jobs_turn"):
            jobs.drop_index(index)
        for column in (
            "likeness", "step_seconds", "gpu_seconds", "run_seconds", "turn", "runs_on", "device", "priority",
        ):  # fmt: skip
            jobs.drop_column(column)
