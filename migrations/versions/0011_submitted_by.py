"""Who submitted a job, beside it: the page of a job says so to everyone who sees it, the audit log to admins alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("submitted_by", sa.String(254), nullable=True))
    jobs = sa.table("jobs", sa.column("id", sa.String), sa.column("submitted_by", sa.String))
    log = sa.table("audit_log", *(sa.column(name, sa.String) for name in ("action", "subject", "actor_name")))
    connection = op.get_bind()
    found = sa.select(log.c.subject, log.c.actor_name).where(log.c.action == "job.submit", log.c.actor_name != "")
    known = [{"job": subject, "name": name} for subject, name in connection.execute(found)]
    if known:
        named = sa.update(jobs).where(jobs.c.id == sa.bindparam("job"))
        connection.execute(named.values(submitted_by=sa.bindparam("name")), known)


def downgrade() -> None:
    op.drop_column("jobs", "submitted_by")
