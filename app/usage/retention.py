"""Deleting what a team has not used for as long as it keeps things: data, and artifacts of jobs that are over.

What an unfinished job needs is never old. An upload that was too old is ``expired``, and its bytes go as those of every
expired upload do; of a job everything but its artifacts stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Select, func, or_, select

from app.catalog.models import UploadRow
from app.catalog.states import UploadState
from app.db import Database, now
from app.jobs.files import forget_repairs
from app.jobs.models import ArtifactRow, JobRow, uses
from app.jobs.parents import unfinished_children
from app.jobs.states import TERMINAL
from app.storage import BlobStore
from app.teams import audit
from app.teams.models import TeamRow
from primesvt_client.facts import ProblemFacts

SETTLED = (UploadState.READY.value, UploadState.REJECTED.value)
OVER = tuple(state.value for state in TERMINAL)
AT_ONCE = 200
"""Things that one round deletes for a team; the next one goes on."""


class Retention:
    """Deletes what is too old, for all teams that want it."""

    def __init__(self, database: Database, store: BlobStore) -> None:
        self.database, self.store = database, store

    def enforce(self) -> None:
        """Once over all teams. Any number of processes may do so at once."""
        kept = select(TeamRow.id, TeamRow.retention_days).where(TeamRow.retention_days.is_not(None))
        with self.database.session() as session:
            teams = [(team, days) for team, days in session.execute(kept) if days is not None]
        for team, days in teams:
            before = now() - timedelta(days=days)
            for upload_id in self._found(_old_uploads(team, before)):
                self._expire(upload_id, before, days)
            for job_id in self._found(_old_artifacts(team, before)):
                self._forget_artifacts(job_id, before, days)

    def _found(self, query: Select[str]) -> Sequence[str]:
        with self.database.session() as session:
            return session.scalars(query.limit(AT_ONCE)).all()

    def _expire(self, upload_id: str, before: datetime, days: int) -> None:
        with self.database.session() as session:
            row = session.get(UploadRow, upload_id, with_for_update={"skip_locked": True})
            # Looked at again, now that nobody can submit a job with it.
            if (
                row is None
                or session.scalar(_old_uploads(row.team_id, before).where(UploadRow.id == upload_id)) is None
            ):
                return
            row.state, row.updated_at = UploadState.EXPIRED.value, now()
            unused = f"it was not used for {days} days and is deleted"
            row.problem = ProblemFacts(code="upload_expired", detail=unused).document()
            audit.record(session, row.team_id, "upload.expire", row.id, name=row.name, days=days)

    def _forget_artifacts(self, job_id: str, before: datetime, days: int) -> None:
        with self.database.session() as session:
            row = session.get(JobRow, job_id, with_for_update={"skip_locked": True})
            if row is None or session.scalar(_old_artifacts(row.team_id, before).where(JobRow.id == job_id)) is None:
                return
            artifacts = session.scalars(select(ArtifactRow).where(ArtifactRow.job_id == job_id)).all()
            # The bytes first: a row that is left over is found again, bytes without a row would not be.
            for artifact in artifacts:
                self.store.delete(artifact.blob_key)
                session.delete(artifact)
            for key in forget_repairs(session, job_id):
                self.store.delete(key)
            audit.record(session, row.team_id, "job.expire", row.id, name=row.name, days=days, files=len(artifacts))


def _old_uploads(team: str, before: datetime) -> Select[str]:
    needed = select(JobRow.id).where(uses(UploadRow.id), or_(JobRow.state.not_in(OVER), JobRow.finished_at >= before))
    return select(UploadRow.id).where(
        UploadRow.team_id == team,
        UploadRow.state.in_(SETTLED),
        func.coalesce(UploadRow.used_at, UploadRow.updated_at) < before,
        UploadRow.updated_at < before,
        ~needed.correlate(UploadRow).exists(),
    )


def _old_artifacts(team: str, before: datetime) -> Select[str]:
    has_some = select(ArtifactRow.name).where(ArtifactRow.job_id == JobRow.id)
    return select(JobRow.id).where(
        JobRow.team_id == team,
        JobRow.state.in_(OVER),
        JobRow.finished_at < before,
        func.coalesce(JobRow.used_at, JobRow.finished_at) < before,
        has_some.correlate(JobRow).exists(),
        ~unfinished_children(JobRow.id).correlate(JobRow).exists(),
    )
