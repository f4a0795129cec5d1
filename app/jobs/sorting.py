"""The order of lists of jobs, and where their next pages begin: behind a value of what they are sorted by, and an id.

Jobs that lack the value come last, newest first. They are asked for by themselves, so that an index serves both.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select
from sqlalchemy.orm import Session

from app.db import UtcTime
from app.errors import InvalidCursor
from app.jobs.models import JobRow
from app.paging import ROW_ID, decode, encode
from primesvt_client.states import JobSort, SortOrder

JOB_PREFIX = "job"
LONGEST_CURSOR = 2000
"""Characters; one has a name of up to 200 characters in it."""

SORTED_BY: dict[JobSort, ColumnElement[Any]] = {
    JobSort.FINISHED: JobRow.finished_at.expression,
    JobSort.SAVING: JobRow.memory_saving.expression,
    JobSort.DROP: JobRow.largest_drop.expression,
    JobSort.NAME: func.lower(JobRow.name),
}
"""Ids sort by time of creation and need no other value."""

Value = str | float | datetime | None


@dataclass(frozen=True, kw_only=True)
class Ordering:
    """What a list is sorted by, and which way; the usual one if ``order`` is None."""

    by: JobSort = JobSort.CREATED
    order: SortOrder | None = None

    @property
    def is_descending(self) -> bool:
        """Whether the largest comes first."""
        return (self.order or self.by.usual_order) is SortOrder.DESCENDING

    @property
    def name(self) -> str:
        """What its cursors are marked with."""
        return f"{self.by}-{'desc' if self.is_descending else 'asc'}"


NEWEST = Ordering()


@dataclass(frozen=True)
class Place:
    """A row that a page ends with: its value of what the list is sorted by, and its id."""

    value: Value
    job_id: str


def find(
    session: Session, rows: list[ColumnElement[bool]], ordering: Ordering, cursor: str | None, limit: int
) -> list[Place]:
    """The first rows behind a cursor, or of the list: no more than ``limit``.

    Raises:
        InvalidCursor: it belongs to another list, or is none.
    """
    if ordering.by is JobSort.CREATED:
        return _by_id(session, rows, ordering, cursor, limit)
    after = _read(cursor, ordering) if cursor is not None else None
    value = SORTED_BY[ordering.by]
    found: list[Place] = []
    if after is None or after.value is not None:
        query = select(value, JobRow.id).where(*rows, value.is_not(None))
        if after is not None:
            query = query.where(_behind(value, after, ordering))
        query = query.order_by(*_directed(ordering, value, JobRow.id.expression)).limit(limit)
        found = [Place(*row) for row in session.execute(query)]
    if len(found) < limit:
        lacking = select(JobRow.id).where(*rows, value.is_(None)).order_by(JobRow.id.desc())
        if after is not None and after.value is None:
            lacking = lacking.where(JobRow.id < after.job_id)
        found += [Place(None, job_id) for job_id in session.scalars(lacking.limit(limit - len(found)))]
    return found


def _by_id(
    session: Session, rows: list[ColumnElement[bool]], ordering: Ordering, cursor: str | None, limit: int
) -> list[Place]:
    query: Select[Any] = select(JobRow.id).where(*rows)
    if cursor is not None:
        last = decode(cursor, JOB_PREFIX) if ordering.is_descending else _read(cursor, ordering).job_id
        query = query.where(JobRow.id < last if ordering.is_descending else JobRow.id > last)
    query = query.order_by(*_directed(ordering, JobRow.id.expression)).limit(limit)
    return [Place(None, job_id) for job_id in session.scalars(query)]


def cursor_behind(place: Place, ordering: Ordering) -> str:
    """Where the next page begins."""
    if ordering == NEWEST or ordering.name == NEWEST.name:
        return encode(place.job_id)
    value = place.value.isoformat() if isinstance(place.value, datetime) else place.value
    document = json.dumps([ordering.name, value, place.job_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")


def _read(cursor: str, ordering: Ordering) -> Place:
    refusal = InvalidCursor(f"the cursor {cursor[:60]!r} is none of this list's; start without one")
    try:
        document = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        name, value, job_id = document
        place = Place(_value(value, ordering.by), str(job_id))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise refusal from None
    if name != ordering.name or not ROW_ID.fullmatch(place.job_id) or not place.job_id.startswith(f"{JOB_PREFIX}_"):
        raise refusal
    return place


def _value(value: Any, by: JobSort) -> Value:
    """A value of a cursor as the column has it.

    Raises:
        ValueError: it is none of this column.
    """
    if value is None:
        return None
    if by is JobSort.FINISHED:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError(value)
        return moment
    if by is JobSort.NAME and isinstance(value, str) and "\0" not in value and value.isprintable():
        return value
    if by in (JobSort.SAVING, JobSort.DROP) and isinstance(value, int | float) and abs(value) <= 1:
        return float(value)
    raise ValueError(value)


def _behind(value: ColumnElement[Any], after: Place, ordering: Ordering) -> ColumnElement[bool]:
    given = literal(after.value, UtcTime()) if isinstance(after.value, datetime) else literal(after.value)
    if ordering.is_descending:
        return or_(value < given, and_(value == given, JobRow.id < after.job_id))
    return or_(value > given, and_(value == given, JobRow.id > after.job_id))


def _directed(ordering: Ordering, *columns: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    return [column.desc() if ordering.is_descending else column.asc() for column in columns]
