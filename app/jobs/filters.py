"""Which of a team's jobs a list has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, ScalarSelect, Select, func, or_, select

from app.catalog.models import ContentRow, UploadRow
from app.jobs.models import JobRow, JobTagRow, uses
from app.jobs.states import JobState
from primesvt_client.states import Archived


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """What is asked for of the jobs of a list: all that is given must hold.

    Attributes:
        states: one of them.
        verdicts: one of them.
        tags: all of them.
        checkpoint_id: an upload; uploads of the same bytes count as the same checkpoint.
        dataset_id: likewise.
        upload_id: an upload, whatever the job uses it for.
        submitted_by: name of who submitted it.
        text: part of the name or of the note, a whole tag, or the id.
        parent_id: the job of whose curve it takes another point.
        archived: whether jobs that were archived are among them.
    """

    states: tuple[JobState, ...] = ()
    verdicts: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    checkpoint_id: str = ""
    dataset_id: str = ""
    upload_id: str = ""
    submitted_by: str = ""
    text: str = ""
    parent_id: str = ""
    archived: Archived = Archived.EXCLUDE

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for but what every list leaves out."""
        return self == JobFilter()


def conditions(team: str, wanted: JobFilter) -> Iterator[ColumnElement[bool]]:
    """What rows of jobs must fulfil."""
    yield JobRow.team_id == team
    if wanted.archived is not Archived.INCLUDE:
        yield JobRow.archived_at.is_(None) if wanted.archived is Archived.EXCLUDE else JobRow.archived_at.is_not(None)
    equal = ((JobRow.submitted_by, wanted.submitted_by), (JobRow.parent_id, wanted.parent_id))
    yield from (column == value for column, value in equal if value)
    among = ((JobRow.state, [state.value for state in wanted.states]), (JobRow.verdict, wanted.verdicts))
    yield from (column.in_(values) for column, values in among if values)
    yield from (JobRow.id.in_(_tagged(team, tag)) for tag in wanted.tags)
    yield from _of_uploads(team, wanted)
    if wanted.text:
        yield _has_text(team, wanted.text)


def _of_uploads(team: str, wanted: JobFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.checkpoint_id:
        yield JobRow.checkpoint_id.in_(_same_bytes(team, wanted.checkpoint_id))
    if wanted.dataset_id:
        yield JobRow.dataset_id.in_(_same_bytes(team, wanted.dataset_id))
        yield JobRow.dataset_id != JobRow.checkpoint_id  # of a job without data the column holds its checkpoint
    if wanted.upload_id:
        yield uses(wanted.upload_id)


def _tagged(team: str, tag: str) -> Select[Any]:
    return select(JobTagRow.job_id).where(JobTagRow.team_id == team, JobTagRow.tag == tag)


def _has_text(team: str, text: str) -> ColumnElement[bool]:
    return or_(
        JobRow.name.icontains(text, autoescape=True),
        JobRow.note.icontains(text, autoescape=True),
        JobRow.id == text,
        JobRow.id.in_(_tagged(team, text)),
    )


def _same_bytes(team: str, upload_id: str) -> CompoundSelect[Any]:
    """Ids of an upload and of the team's others with the same bytes; the upload may be the service's own."""
    twins = (
        select(UploadRow.id)
        .join(ContentRow, ContentRow.id == UploadRow.content_id)
        .where(UploadRow.team_id == team, ContentRow.sha256 == _digest(team, upload_id))
    )
    return twins.union(select(UploadRow.id).where(UploadRow.id == upload_id))


def _digest(team: str, upload_id: str) -> ScalarSelect[Any]:
    given = select(func.max(ContentRow.sha256)).join(UploadRow, UploadRow.content_id == ContentRow.id)
    return given.where(UploadRow.id == upload_id, UploadRow.team_id == team).scalar_subquery()
