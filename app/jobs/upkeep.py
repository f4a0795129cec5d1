"""What people do to jobs so as to keep order among them: tags, notes, the archive. Every query takes the team."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database, now
from app.errors import Conflict, NotFound
from app.jobs.models import JobRow
from app.jobs.states import JobState
from app.jobs.tags import set_tags, tidied
from app.teams import audit

NAMED = 3
"""Jobs that a refusal names; it counts the rest."""


class JobUpkeep:
    """Tags, notes and the archive of a team's jobs."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def describe(self, team: str, job_id: str, *, tags: Collection[str] | None = None, note: str | None = None) -> None:
        """Give a job, in whatever state, other tags or another note; None leaves what there is.

        Raises:
            NotFound: the team has no such job.
            Invalid: the tags are too many, or one is too long.
        """
        kept = None if tags is None else tidied(tags)
        with self.database.session() as session:
            row = session.get(JobRow, job_id, with_for_update=True)
            if row is None or row.team_id != team:
                raise NotFound(f"there is no job {job_id[:60]}")
            if kept is not None:
                set_tags(session, row, kept)
                audit.record(session, team, "job.tag", job_id, tags=[*kept])
            if note is not None:
                row.note = note
                audit.record(session, team, "job.note", job_id, note=note)

    def archive(self, team: str, job_ids: Sequence[str]) -> int:
        """Have lists leave out jobs that are over; their files stay. Returns how many were not archived before.

        All or none: a refusal changes nothing.

        Raises:
            NotFound: the team lacks one of the jobs.
            Conflict: one of them is not over.
        """
        with self.database.session() as session:
            rows = _rows(session, team, job_ids)
            unfinished = [row for row in rows if not JobState(row.state).is_terminal]
            if unfinished:
                raise Conflict(f"{_named(unfinished)} not over; cancel or wait, and archive then")
            changed = [row for row in rows if row.archived_at is None]
            for row in changed:
                row.archived_at = now()
                audit.record(session, team, "job.archive", row.id, name=row.name)
            return len(changed)

    def unarchive(self, team: str, job_ids: Sequence[str]) -> int:
        """Have lists show jobs again. Returns how many were archived. All or none.

        Raises:
            NotFound: the team lacks one of the jobs.
        """
        with self.database.session() as session:
            rows = _rows(session, team, job_ids)
            changed = [row for row in rows if row.archived_at is not None]
            for row in changed:
                row.archived_at = None
                audit.record(session, team, "job.unarchive", row.id, name=row.name)
            return len(changed)


def _rows(session: Session, team: str, job_ids: Sequence[str]) -> list[JobRow]:
    """The jobs, locked in the order of their ids: who archives the same at the same time waits.

    Raises:
        NotFound: the team lacks one of them; which it is does not depend on whether another team has it.
    """
    wanted = {*job_ids}
    query = select(JobRow).where(JobRow.team_id == team, JobRow.id.in_(wanted)).order_by(JobRow.id)
    rows = [*session.scalars(query.with_for_update())]
    missing = wanted - {row.id for row in rows}
    if missing:
        first = next(job_id for job_id in job_ids if job_id in missing)
        raise NotFound(f"there is no job {first[:60]}; nothing was changed")
    return rows


def _named(rows: Sequence[JobRow]) -> str:
    """``'a' and 2 more are``."""
    names = ", ".join(f"{row.name!r} ({row.id})" for row in rows[:NAMED])
    rest = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return f"{names}{rest} {'is' if len(rows) == 1 else 'are'}"
