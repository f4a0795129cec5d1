"""Which jobs use an upload, so that nobody deletes one without knowing. Every query takes the team."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, select, union
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import UploadInUse
from app.jobs.models import JobRow

NAMED = 5
"""Jobs of an upload that are named, the newest; the rest are counted."""


@dataclass(frozen=True)
class UsingJob:
    """A job that uses an upload."""

    id: str
    name: str


@dataclass(frozen=True)
class UploadUse:
    """The jobs that use an upload: the newest of them, and how many they are."""

    newest: tuple[UsingJob, ...]
    jobs: int

    @property
    def in_words(self) -> str:
        """``'a' (job_…), 'b' (job_…) and 3 more``."""
        names = ", ".join(f"{job.name!r} ({job.id})" for job in self.newest)
        return names if self.jobs == len(self.newest) else f"{names} and {self.jobs - len(self.newest)} more"


class UploadUses:
    """Uses of a team's uploads."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def of(self, team: str, upload_ids: Iterable[str]) -> dict[str, UploadUse]:
        """Those of the uploads that jobs of the team use, archived ones too."""
        with self.database.reading() as session:
            counts = _counts(session, team, [*upload_ids])
            return {
                upload_id: UploadUse(tuple(_newest(session, team, upload_id)), jobs)
                for upload_id, jobs in counts.items()
            }

    def check_unused(self, team: str, upload_id: str, name: str) -> None:
        """Refuse what would take a job's input away.

        Raises:
            UploadInUse: jobs use it; names them.
        """
        use = self.of(team, [upload_id]).get(upload_id)
        if use is not None:
            raise UploadInUse(f"{name} is used by {use.in_words}; delete these first")


def _counts(session: Session, team: str, upload_ids: list[str]) -> dict[str, int]:
    """How many jobs use each; a job that uses one twice counts once."""
    columns = (JobRow.checkpoint_id, JobRow.dataset_id, JobRow.train_dataset_id)
    used = union(
        *(
            select(column.label("upload_id"), JobRow.id.label("job_id")).where(
                JobRow.team_id == team, column.in_(upload_ids)
            )
            for column in columns
        )
    ).subquery()
    query = select(used.c.upload_id, func.count()).group_by(used.c.upload_id)
    return {upload_id: int(jobs) for upload_id, jobs in session.execute(query)}


def _newest(session: Session, team: str, upload_id: str) -> list[UsingJob]:
    found: dict[str, str] = {}
    for column in (JobRow.checkpoint_id, JobRow.dataset_id, JobRow.train_dataset_id):
        is_used: ColumnElement[bool] = and_(JobRow.team_id == team, column == upload_id)
        query = select(JobRow.id, JobRow.name).where(is_used).order_by(JobRow.id.desc()).limit(NAMED)
        found |= {row.id: row.name for row in session.execute(query)}
    return [UsingJob(job_id, found[job_id]) for job_id in sorted(found, reverse=True)[:NAMED]]
