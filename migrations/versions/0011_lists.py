"""Tags, notes and submitters of jobs, archived jobs, figures to sort by; withdrawn invitations.

Who submitted a job is taken from the audit log, its figures from its summary.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INDEXED = (
    "verdict", "submitted_by", "checkpoint_id", "dataset_id", "train_dataset_id", "finished_at",
    "memory_saving", "largest_drop",
)  # fmt: skip
COLUMNS: dict[str, dict[str, Any]] = {
    "tags": {"type_": sa.JSON(), "server_default": "[]", "nullable": False},
    "note": {"type_": sa.Text(), "server_default": "", "nullable": False},
    "submitted_by": {"type_": sa.String(254)},
    "submitter_kind": {"type_": sa.String(20)},
    "archived_at": {"type_": sa.DateTime(timezone=True)},
    "memory_saving": {"type_": sa.Float()},
    "largest_drop": {"type_": sa.Float()},
    "parameter_bytes_after": {"type_": sa.BigInteger()},
    "pruned_accuracy": {"type_": sa.Float()},
}
AT_ONCE = 500
OF_RESULTS = (
    "team_id", "archived_at", "id", "memory_saving", "largest_drop", "parameter_bytes_after", "pruned_accuracy",
)  # fmt: skip
SUCCEEDED = sa.text("state = 'succeeded'")


def upgrade() -> None:
    for name, given in COLUMNS.items():
        op.add_column("jobs", sa.Column(name, **given))
    op.add_column("links", sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "job_tags",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("tag", sa.String(40), nullable=False),
        sa.Column("team_id", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_tags_job_id_jobs", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_job_tags_team_id_teams"),
        sa.PrimaryKeyConstraint("job_id", "tag", name="pk_job_tags"),
    )
    op.create_index("ix_job_tags_team_id_tag", "job_tags", ["team_id", "tag", "job_id"])
    _keep_submitters()
    _keep_figures()
    op.execute(
        "UPDATE links SET withdrawn_at = used_at WHERE id IN"
        " (SELECT subject FROM audit_log WHERE action = 'member.uninvite')"
    )
    op.create_index("ix_jobs_of_results", "jobs", [*OF_RESULTS], sqlite_where=SUCCEEDED, postgresql_where=SUCCEEDED)
    for name in INDEXED:
        op.create_index(f"ix_jobs_team_id_{name}", "jobs", ["team_id", name, "id"])


def _keep_submitters() -> None:
    connection = op.get_bind()
    written = sa.text("SELECT subject, actor_name, actor_kind FROM audit_log WHERE action = 'job.submit'")
    kept = sa.text("UPDATE jobs SET submitted_by = :name, submitter_kind = :kind WHERE id = :id")
    rows = connection.execute(written).all()
    for begin in range(0, len(rows), AT_ONCE):
        some = rows[begin : begin + AT_ONCE]
        connection.execute(kept, [{"id": row[0], "name": row[1], "kind": row[2]} for row in some])


def _keep_figures() -> None:
    connection = op.get_bind()
    found = sa.text("SELECT id, summary FROM jobs WHERE state = 'succeeded'")
    kept = sa.text(
        "UPDATE jobs SET memory_saving = :saving, largest_drop = :drop, parameter_bytes_after = :bytes,"
        " pruned_accuracy = :accuracy WHERE id = :id"
    )
    rows = connection.execute(found).all()
    for begin in range(0, len(rows), AT_ONCE):
        connection.execute(kept, [_figures(*row) for row in rows[begin : begin + AT_ONCE]])


def _figures(job_id: str, summary: Any) -> dict[str, Any]:
    """What the summary tells, as far as it is what this version writes."""
    document = json.loads(summary) if isinstance(summary, str) else summary
    document = document if isinstance(document, dict) else {}

    def number(name: str) -> float | None:
        value = document.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    drop = number("accuracy_drop")
    size = number("parameter_bytes_after")
    return {
        "id": job_id,
        "saving": number("memory_saving"),
        "drop": number("disagreement") if drop is None else drop,
        "bytes": None if size is None else int(size),
        "accuracy": number("pruned_accuracy"),
    }


def downgrade() -> None:
    op.drop_index("ix_jobs_of_results", "jobs")
    for name in INDEXED:
        op.drop_index(f"ix_jobs_team_id_{name}", "jobs")
    op.drop_table("job_tags")
    op.drop_column("links", "withdrawn_at")
    for name in reversed(COLUMNS):
        op.drop_column("jobs", name)
