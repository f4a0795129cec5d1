"""Lists of a team's jobs: a page at a time, sorted and filtered. Every query takes the team."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import JSON, func, select, type_coerce
from sqlalchemy.orm import Session, defer

from app.catalog.models import UploadRow
from app.db import Database
from app.jobs.filters import JobFilter, conditions
from app.jobs.models import JobRow
from app.jobs.order import places_of
from app.jobs.records import ListedJob, listed
from app.jobs.sorting import NEWEST, Ordering, cursor_behind, find
from app.paging import LARGEST_PAGE, Page

EVERYTHING = JobFilter()


@dataclass(frozen=True)
class _Named:
    """What lists show of an upload."""

    name: str
    family: str


class JobLists:
    """A team's jobs in lists."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def search(
        self,
        team: str,
        wanted: JobFilter = EVERYTHING,
        ordering: Ordering = NEWEST,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[ListedJob]:
        """Jobs without their specs.

        Args:
            team: whose they are.
            wanted: which of them.
            ordering: what they are sorted by.
            cursor: of an earlier page of the same list.
            limit: most of them.

        Raises:
            InvalidCursor: it is none of this list's.
        """
        with self.database.reading() as session:
            found = find(session, [*conditions(team, wanted)], ordering, cursor, limit + 1)
            shown = found[:limit]
            jobs = _listed(session, team, [place.job_id for place in shown])
        more = cursor_behind(shown[-1], ordering) if len(found) > limit else None
        return Page(tuple(jobs), more)

    def named(self, team: str, wanted: JobFilter, limit: int) -> list[ListedJob]:
        """Of what is asked for the newest jobs whose whole name is the text."""
        rows = [*conditions(team, replace(wanted, text="")), JobRow.name == wanted.text]
        with self.database.reading() as session:
            found = find(session, rows, NEWEST, None, limit)
            return _listed(session, team, [place.job_id for place in found])

    def all(self, team: str, wanted: JobFilter = EVERYTHING, ordering: Ordering = NEWEST) -> Iterator[ListedJob]:
        """All jobs of a list, of which a page at a time is in memory."""
        cursor: str | None = None
        while True:
            page = self.search(team, wanted, ordering, cursor, LARGEST_PAGE)
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def some(self, team: str, job_ids: Sequence[str]) -> list[ListedJob]:
        """Those of the jobs that the team has, in the order in which they were asked for."""
        with self.database.reading() as session:
            return _listed(session, team, job_ids)


def _listed(session: Session, team: str, job_ids: Sequence[str]) -> list[ListedJob]:
    budget = type_coerce(JobRow.spec, JSON)["budget"]
    query = select(JobRow, budget).where(JobRow.team_id == team, JobRow.id.in_(job_ids))
    rows = {row.id: (row, limits) for row, limits in session.execute(query.options(defer(JobRow.spec, raiseload=True)))}
    found = [rows[job_id] for job_id in job_ids if job_id in rows]
    places = places_of(session, team, [row for row, _ in found])
    names = _names(session, {x for row, _ in found for x in (row.checkpoint_id, row.dataset_id)})
    return [listed(row, places.get(row.id), budget=limits or {}, **_of_uploads(row, names)) for row, limits in found]


def _of_uploads(row: JobRow, names: dict[str, _Named]) -> dict[str, Any]:
    nothing = _Named("", "")
    checkpoint = names.get(row.checkpoint_id, nothing)
    data = names.get(row.dataset_id, nothing) if row.has_data else nothing
    return {"checkpoint_name": checkpoint.name, "dataset_name": data.name, "family": checkpoint.family}


def _names(session: Session, upload_ids: Iterable[str]) -> dict[str, _Named]:
    """Names of the uploads of jobs that a team has, some of which may be offered to it by the service."""
    facts = type_coerce(UploadRow.facts, JSON)
    family = func.coalesce(facts["title"].as_string(), facts["family"].as_string(), "")
    query = select(UploadRow.id, UploadRow.name, family).where(UploadRow.id.in_([*upload_ids]))
    return {upload_id: _Named(name, title) for upload_id, name, title in session.execute(query)}
