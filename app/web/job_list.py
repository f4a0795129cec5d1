"""The first page: a team's jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from app.api.deps import Services
from app.catalog.records import Upload
from app.db import now
from app.errors import NotFound
from app.jobs.records import ListedJob
from app.jobs.results import Result
from app.jobs.states import TERMINAL, JobState
from app.teams.scopes import Scope
from app.web.labels import run_seconds
from app.web.rendering import is_fragment, page
from app.web.routing import PageRouter
from app.web.sessions import PageUser, page_access
from primesvt_client.spec_types import TEXT

router = PageRouter()

JOBS_PER_PAGE = 25
ACTIVE = "active"
STATES: Mapping[str, tuple[JobState, ...]] = {
    "": (),
    ACTIVE: tuple(state for state in JobState if state not in TERMINAL),
    **{state.value: (state,) for state in JobState},
}
"""Choices of the filter."""


@router.get("/")
def show_jobs(
    request: Request,
    user: Annotated[PageUser, page_access(Scope.JOBS_READ)],
    services: Services,
    state: Annotated[str, Query(max_length=20)] = "",
    q: Annotated[str, Query(max_length=200, pattern=TEXT)] = "",
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Jobs, newest first; htmx gets only the rows."""
    chosen = STATES.get(state, ())
    jobs = services.jobs.search(user.team_id, chosen, q.strip(), cursor or None, JOBS_PER_PAGE)
    query = {name: value for name, value in (("state", state), ("q", q.strip())) if value}
    return page(
        request,
        "_jobs.html" if is_fragment(request) else "jobs.html",
        user=user,
        jobs=jobs.items,
        uploads=uploads_of(services, user.team_id, jobs.items),
        seconds={job.id: run_seconds(job.started_at, job.finished_at, now()) for job in jobs.items},
        state=state if state in STATES else "",
        states=[name for name in STATES if name not in ("", ACTIVE)],
        query=q.strip(),
        is_filtered=bool(query),
        here=_url(query, cursor),
        first=_url(query, "") if cursor else "",
        next_page=_url(query, jobs.next_cursor) if jobs.next_cursor else "",
        pause="5s" if any(not job.state.is_terminal for job in jobs.items) else "20s",
    )


def _url(query: Mapping[str, str], cursor: str) -> str:
    encoded = urlencode({**query, "cursor": cursor} if cursor else query)
    return f"/?{encoded}" if encoded else "/"


def uploads_of(services: Services, team: str, jobs: Iterable[ListedJob]) -> dict[str, Upload]:
    """The checkpoints and data sets of some jobs, by id."""
    return _uploads(
        services, team, (x for job in jobs for x in (job.checkpoint_id, job.dataset_id, job.train_dataset_id))
    )


def checkpoints_of(services: Services, team: str, results: Iterable[Result]) -> dict[str, Upload]:
    """The compressed checkpoints, by id."""
    return _uploads(services, team, (result.checkpoint_id for result in results))


def _uploads(services: Services, team: str, ids: Iterable[str | None]) -> dict[str, Upload]:
    uploads: dict[str, Upload] = {}
    for upload_id in filter(None, set(ids)):
        try:
            uploads[upload_id] = services.catalog.get(team, upload_id)
        except NotFound:  # deleted since the jobs were listed
            continue
    return uploads
