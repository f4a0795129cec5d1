"""The first page: a team's jobs, filtered and sorted, and what is done with several of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.api.deps import Services
from app.catalog.records import Upload
from app.db import now
from app.errors import Conflict, DomainError, NotFound
from app.jobs.comparing import FEWEST, MOST
from app.jobs.records import ListedJob
from app.jobs.sorting import LONGEST_CURSOR
from app.jobs.states import JobState
from app.paging import Page
from app.teams.scopes import Scope
from app.web.labels import run_seconds
from app.web.list_query import ACTIVE, STATES, ListQuery, list_query
from app.web.list_words import progress_text
from app.web.rendering import HEADERS, is_fragment, page
from app.web.routing import PageRouter
from app.web.sessions import PageUser, form_access, page_access
from primesvt_client.schemas.jobs import MOST_JOBS, JobIdText
from primesvt_client.states import Archived, JobSort, Verdict

router = PageRouter()

JOBS_PER_PAGE = 25
MOST_EXACT = 5
"""Jobs of the very name that is searched for, before all others."""

SORTS: Mapping[str, str] = {
    JobSort.CREATED: "Newest first",
    JobSort.FINISHED: "Last finished first",
    JobSort.SAVING: "Largest saving first",
    JobSort.DROP: "Smallest drop first",
    JobSort.NAME: "By name",
}

Chosen = Annotated[list[JobIdText] | None, Form(max_length=MOST_JOBS)]
Reader = Annotated[PageUser, page_access(Scope.JOBS_READ)]
Writer = Annotated[PageUser, form_access(Scope.JOBS_WRITE)]
Target = Annotated[str, Form(max_length=4000)]


@router.get("/")
def show_jobs(
    request: Request,
    user: Reader,
    services: Services,
    query: Annotated[ListQuery, list_query()],
    cursor: Annotated[str, Query(max_length=LONGEST_CURSOR)] = "",
) -> Response:
    """Jobs, newest first unless another order is chosen; htmx gets only the rows."""
    return _list(request, user, services, query, cursor)


def _list(
    request: Request,
    user: PageUser,
    services: Services,
    query: ListQuery,
    cursor: str = "",
    error: DomainError | None = None,
) -> Response:
    jobs = _page_of(services, user.team_id, query, cursor)
    context = _rows(query, jobs, cursor, error)
    if is_fragment(request):
        return page(request, "_jobs.html", user=user, **context)
    return page(
        request,
        "jobs.html",
        409 if error else 200,
        user=user,
        query=query,
        states=[name for name in STATES if name not in ("", ACTIVE)],
        verdicts=[*Verdict],
        sorts=SORTS,
        archived=[*Archived],
        choices=services.choices.of(user.team_id),
        **context,
    )


def _page_of(services: Services, team: str, query: ListQuery, cursor: str) -> Page[ListedJob]:
    """A page of the list.

    The first one begins with jobs whose whole name is searched for: behind all that merely contain it they would be
    hard to find.
    """
    found = services.lists.search(team, query.wanted, query.ordering, cursor or None, JOBS_PER_PAGE)
    if cursor or not query.wanted.text or found.next_cursor is None:
        return found
    exact = services.lists.named(team, query.wanted, MOST_EXACT)
    ids = {job.id for job in exact}
    return replace(found, items=(*exact, *(job for job in found.items if job.id not in ids)))


def _rows(query: ListQuery, jobs: Page[ListedJob], cursor: str, error: DomainError | None) -> dict[str, object]:
    return {
        "jobs": jobs.items,
        "seconds": {job.id: run_seconds(job.started_at, job.finished_at, now()) for job in jobs.items},
        "progress": {job.id: progress_text(job) for job in jobs.items if job.state is JobState.RUNNING},
        "is_filtered": not query.wanted.is_empty,
        "error": error,
        "here": query.address(cursor=cursor),
        "first": query.address() if cursor else "",
        "next_page": query.address(cursor=jobs.next_cursor) if jobs.next_cursor else "",
        "columns": {sort.value: query.address(sort=sort.value) for sort in JobSort},
        "sort": query.ordering.by.value,
        "is_descending": query.ordering.is_descending,
        "csv": query.api_address("/api/v1/jobs.csv"),
        "least": FEWEST,
        "most": MOST,
        "most_jobs": MOST_JOBS,
        "has_archived": any(job.archived_at for job in jobs.items),
        "has_current": any(job.archived_at is None for job in jobs.items),
        "pause": "5s" if any(not job.state.is_terminal for job in jobs.items) else "20s",
    }


@router.post("/jobs/compare")
def compare_chosen(
    request: Request,
    user: Annotated[PageUser, form_access(Scope.JOBS_READ)],
    services: Services,
    job: Chosen = None,
    query: Target = "",
) -> Response:
    """Lead to the comparison of the ticked jobs."""
    chosen = [*dict.fromkeys(job or ())]
    if not FEWEST <= len(chosen) <= MOST:
        problem = Conflict(f"Tick {FEWEST} to {MOST} jobs to compare; {len(chosen)} are ticked.")
        return _list(request, user, services, ListQuery.read(query), error=problem)
    return RedirectResponse(f"/compare?{urlencode({'job': chosen}, doseq=True)}", 303, HEADERS)


@router.post("/jobs/archive")
def archive_chosen(
    request: Request, user: Writer, services: Services, job: Chosen = None, query: Target = ""
) -> Response:
    """Archive the ticked jobs."""
    try:
        services.upkeep.archive(user.team_id, job or ())
    except (Conflict, NotFound) as error:
        return _list(request, user, services, ListQuery.read(query), error=error)
    return RedirectResponse(ListQuery.read(query).address(), 303, HEADERS)


@router.post("/jobs/unarchive")
def unarchive_chosen(user: Writer, services: Services, job: Chosen = None, query: Target = "") -> Response:
    """Have lists show the ticked jobs again."""
    services.upkeep.unarchive(user.team_id, job or ())
    return RedirectResponse(ListQuery.read(query).address(), 303, HEADERS)


def uploads_of(services: Services, team: str, jobs: Iterable[ListedJob]) -> dict[str, Upload]:
    """The checkpoints and data sets of some jobs, by id."""
    ids = (x for job in jobs for x in (job.checkpoint_id, job.dataset_id, job.train_dataset_id))
    uploads: dict[str, Upload] = {}
    for upload_id in filter(None, set(ids)):
        try:
            uploads[upload_id] = services.catalog.get(team, upload_id)
        except NotFound:  # deleted since the jobs were listed
            continue
    return uploads
