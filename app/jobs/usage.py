"""What jobs and teams use: seconds of run time and of GPU time, as workers measure them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.db import insert, now
from app.jobs.models import JobRow, UsageRow

GPU = "cuda"


@dataclass(frozen=True)
class Day:
    """What a team has used on one day (UTC)."""

    day: date
    run_seconds: float
    gpu_seconds: float


def add(session: Session, row: JobRow, seconds: float, device: str) -> None:
    """Somebody has computed for the job: its worker, or one that helped."""
    gpu_seconds = seconds if device == GPU else 0.0
    # Added in the database: helpers and the job's worker do so at the same time.
    row.run_seconds = JobRow.run_seconds + seconds
    row.gpu_seconds = JobRow.gpu_seconds + gpu_seconds
    day = insert(session, UsageRow).values(
        team_id=row.team_id, day=now().date(), run_seconds=seconds, gpu_seconds=gpu_seconds
    )
    more = {"run_seconds": UsageRow.run_seconds + seconds, "gpu_seconds": UsageRow.gpu_seconds + gpu_seconds}
    session.execute(day.on_conflict_do_update(index_elements=["team_id", "day"], set_=more))


def gpu_seconds(session: Session, team: str, since: date) -> float:
    """GPU time that a team has used from that day on (UTC)."""
    used: ColumnElement[float | None] = func.sum(UsageRow.gpu_seconds)
    return session.scalar(select(used).where(UsageRow.team_id == team, UsageRow.day >= since)) or 0.0


def by_day(session: Session, team: str, since: date) -> list[Day]:
    """The days on which a team has used something, oldest first."""
    rows = select(UsageRow).where(UsageRow.team_id == team, UsageRow.day >= since).order_by(UsageRow.day)
    return [Day(row.day, row.run_seconds, row.gpu_seconds) for row in session.scalars(rows)]
