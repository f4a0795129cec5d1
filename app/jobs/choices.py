"""What lists of a team's jobs can be filtered by: the values that its jobs have. Every query takes the team."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.catalog.models import ContentRow, UploadRow
from app.db import Database
from app.jobs.models import JobRow, JobTagRow
from primesvt_client.verdicts import title

MOST = 200
"""Values of each kind that are offered, those of the newest jobs: a longer list is of no use to anybody."""


@dataclass(frozen=True)
class Choice:
    """A value, what it is called, and how many jobs have it.

    Attributes:
        same: other values that mean the same: uploads of the same bytes.
    """

    value: str
    label: str
    jobs: int
    same: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        """All values that mean it."""
        return (self.value, *self.same)


@dataclass(frozen=True, kw_only=True)
class Choices:
    """All that can be chosen, the values of the newest jobs first."""

    tags: tuple[Choice, ...]
    verdicts: tuple[Choice, ...]
    submitters: tuple[Choice, ...]
    checkpoints: tuple[Choice, ...]
    datasets: tuple[Choice, ...]


class JobChoices:
    """Values of a team's jobs."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def of(self, team: str) -> Choices:
        """What the team can choose from."""
        with self.database.reading() as session:
            tags = select(JobTagRow.tag, func.count()).where(JobTagRow.team_id == team)
            tags = tags.group_by(JobTagRow.tag).order_by(func.max(JobTagRow.job_id).desc()).limit(MOST)
            return Choices(
                tags=tuple(Choice(tag, tag, count) for tag, count in session.execute(tags)),
                verdicts=tuple(Choice(one, title(one), n) for one, n, _ in _values(session, team, _column("verdict"))),
                submitters=tuple(Choice(one, one, n) for one, n, _ in _values(session, team, _column("submitted_by"))),
                checkpoints=_uploads(session, team, "checkpoint_id"),
                datasets=_uploads(session, team, "dataset_id"),
            )


def _column(name: str) -> ColumnElement[Any]:
    column: ColumnElement[Any] = JobRow.__table__.c[name]
    return column


def _values(session: Session, team: str, column: ColumnElement[Any]) -> list[tuple[str, int, str]]:
    """Values, how many jobs have each, and the newest of these."""
    newest = func.max(JobRow.id)
    query = select(column, func.count(), newest).where(JobRow.team_id == team, column.is_not(None))
    return [(one, n, last) for one, n, last in session.execute(query.group_by(column).order_by(newest.desc()))][:MOST]


def _uploads(session: Session, team: str, name: str) -> tuple[Choice, ...]:
    """Uploads that jobs use so; those of the same bytes are one, by the upload of the newest job."""
    counts = _values(session, team, _column(name))
    known = _known(session, (upload_id for upload_id, _, _ in counts))
    found: dict[str, Choice] = {}
    for upload_id, jobs, _ in counts:
        label, kind, digest = known.get(upload_id, ("", "", None))
        if f"{kind}_id" != name:  # of a job without data the column of data sets holds its checkpoint
            continue
        first = found.get(digest or upload_id)
        found[digest or upload_id] = (
            Choice(upload_id, label, jobs)
            if first is None
            else replace(first, jobs=first.jobs + jobs, same=(*first.same, upload_id))
        )
    return tuple(found.values())


def _known(session: Session, upload_ids: Iterable[str]) -> dict[str, tuple[str, str, str | None]]:
    """Name, kind and digest of uploads that jobs of the team use, some of which may be the service's own."""
    query = select(UploadRow.id, UploadRow.name, UploadRow.kind, ContentRow.sha256)
    query = query.outerjoin(ContentRow, ContentRow.id == UploadRow.content_id)
    rows = session.execute(query.where(UploadRow.id.in_([*upload_ids])))
    return {upload_id: (label, kind, digest) for upload_id, label, kind, digest in rows}
