"""When a job's artifacts were last used, which decides how long they are kept."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.db import now
from app.jobs.models import JobRow

USE_NOTED = timedelta(hours=1)


def touch_job(session: Session, row: JobRow) -> None:
    """Write down that a job's artifacts are being used, once an hour."""
    moment = now()
    if row.used_at is None or moment - row.used_at > USE_NOTED:
        session.execute(update(JobRow).where(JobRow.id == row.id).values(used_at=moment))
