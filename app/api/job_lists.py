"""Lists of jobs: filtered, sorted, a page at a time or all as a table; what they can be filtered by; the archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from app.api.body_limits import BoundedRoute
from app.api.deps import Services, needs
from app.api.openapi import CSV
from app.api.problem import responses
from app.jobs.filters import JobFilter
from app.jobs.sorting import LONGEST_CURSOR, Ordering
from app.jobs.states import JobState
from app.jobs.tables import as_csv
from app.paging import LARGEST_PAGE
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.base import ID, LONGEST_ID
from primesvt_client.schemas.jobs import (
    LONGEST_TAG,
    MOST_TAGS,
    Changed,
    FilterChoices,
    JobChoice,
    JobPage,
    ListedJobView,
)
from primesvt_client.spec_types import TEXT
from primesvt_client.states import Archived, JobSort, SortOrder, Verdict

router = APIRouter(prefix="/api/v1", tags=["jobs"], responses=responses(401, 422), route_class=BoundedRoute)

Reader = Annotated[Principal, needs(Scope.JOBS_READ)]
Writer = Annotated[Principal, needs(Scope.JOBS_WRITE)]

AS_FILE = {"Content-Disposition": 'attachment; filename="jobs.csv"', "Cache-Control": "no-store"}

UploadQuery = Annotated[str | None, Query(max_length=LONGEST_ID, pattern=ID)]
TagText = Annotated[str, Query(max_length=LONGEST_TAG, pattern=TEXT)]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which jobs, and in what order."""

    wanted: JobFilter
    ordering: Ordering


def asked(
    state: Annotated[list[JobState] | None, Query(description="One or more states.")] = None,
    verdict: Annotated[list[Verdict] | None, Query(description="One or more verdicts.")] = None,
    tag: Annotated[
        list[TagText] | None, Query(max_length=MOST_TAGS, description="Only jobs that have all of these.")
    ] = None,
    checkpoint_id: Annotated[
        UploadQuery, Query(description="Only jobs on this upload, or on another one of the same bytes.")
    ] = None,
    dataset_id: Annotated[UploadQuery, Query(description="Likewise.")] = None,
    upload_id: Annotated[UploadQuery, Query(description="Only jobs that use this upload, for whatever.")] = None,
    submitted_by: Annotated[
        str, Query(max_length=254, pattern=TEXT, description="Only jobs of this person, or of this key.")
    ] = "",
    q: Annotated[
        str, Query(max_length=200, pattern=TEXT, description="Part of the name or of the note, a whole tag, or the id.")
    ] = "",
    parent_id: Annotated[UploadQuery, Query(description="Only other budgets for this job.")] = None,
    archived: Annotated[Archived, Query(description="Whether archived jobs are among them.")] = Archived.EXCLUDE,
    sort: Annotated[JobSort, Query(description="Jobs that lack it come last.")] = JobSort.CREATED,
    order: Annotated[
        SortOrder | None, Query(description="Usually the newest or largest first; of drop and name the smallest.")
    ] = None,
) -> Asked:
    """The query of a list."""
    wanted = JobFilter(
        states=tuple(state or ()), verdicts=tuple(verdict or ()), tags=tuple(tag or ()),
        checkpoint_id=checkpoint_id or "", dataset_id=dataset_id or "", upload_id=upload_id or "",
        submitted_by=submitted_by, text=q, parent_id=parent_id or "", archived=archived,
    )  # fmt: skip
    return Asked(wanted=wanted, ordering=Ordering(by=sort, order=order))


Wanted = Annotated[Asked, Depends(asked)]


@router.get("/jobs", responses=responses(400))
def list_jobs(
    caller: Reader,
    services: Services,
    query: Wanted,
    cursor: Annotated[str | None, Query(max_length=LONGEST_CURSOR)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
) -> JobPage:
    """List jobs, newest first if nothing else is asked for, without their specs and without archived ones."""
    page = services.lists.search(caller.team_id, query.wanted, query.ordering, cursor, limit)
    return JobPage(items=[ListedJobView.model_validate(job) for job in page.items], next_cursor=page.next_cursor)


@router.get("/jobs.csv", response_class=Response, responses={200: CSV})
def export_jobs(caller: Reader, services: Services, query: Wanted) -> Response:
    """Download a list of jobs as CSV, all of it; no cell is a formula."""
    lines = as_csv(services.lists.all(caller.team_id, query.wanted, query.ordering))
    return StreamingResponse(lines, 200, AS_FILE, "text/csv; charset=utf-8")


@router.get("/jobs/filters")
def list_job_filters(caller: Reader, services: Services) -> FilterChoices:
    """List what jobs can be filtered by: tags, verdicts, submitters, checkpoints and data sets that the team's have."""
    return FilterChoices.model_validate(services.choices.of(caller.team_id))


@router.post("/jobs/archive", responses=responses(400, 404, 409, 413, 415))
def archive_jobs(body: JobChoice, caller: Writer, services: Services) -> Changed:
    """Archive jobs that are over: lists leave them out. Their files stay. All of them are archived, or none."""
    return Changed(jobs=services.upkeep.archive(caller.team_id, body.job_ids))


@router.post("/jobs/unarchive", responses=responses(400, 404, 413, 415))
def unarchive_jobs(body: JobChoice, caller: Writer, services: Services) -> Changed:
    """Have lists show archived jobs again. All of them, or none."""
    return Changed(jobs=services.upkeep.unarchive(caller.team_id, body.job_ids))
