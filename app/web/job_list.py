"""The first page: a team's jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from app.api.deps import Found
from app.catalog.records import Upload
from app.db import now
from app.errors import NotFound
from app.jobs.records import Job
from app.jobs.results import Result
from app.jobs.states import TERMINAL, JobState
from app.services import Services
from app.teams.scopes import Scope
from app.web.labels import VERDICTS, run_seconds
from app.web.rendering import is_fragment, page
from app.web.routing import Pages
from app.web.sessions import Visitor, looks
from primesvt_client.spec import TEXT

router = Pages()

JOBS_A_PAGE = 25
ACTIVE = "active"
STATES: Mapping[str, tuple[JobState, ...]] = {
    "": (),
    ACTIVE: tuple(state for state in JobState if state not in TERMINAL),
    **{state.value: (state,) for state in JobState},
}
"""What the filter offers."""


@router.get("/")
def show_jobs(
    request: Request,
    who: Annotated[Visitor, looks(Scope.JOBS_READ)],
    found: Found,
    state: Annotated[str, Query(max_length=20)] = "",
    q: Annotated[str, Query(max_length=200, pattern=TEXT)] = "",
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Jobs, newest first; htmx gets the rows alone."""
    chosen = STATES.get(state, ())
    jobs = found.jobs.search(who.team_id, chosen, q.strip(), cursor or None, JOBS_A_PAGE)
    asked = {name: value for name, value in (("state", state), ("q", q.strip())) if value}
    return page(
        request,
        "_jobs.html" if is_fragment(request) else "jobs.html",
        visitor=who,
        jobs=jobs.items,
        uploads=uploads_of(found, who.team_id, jobs.items),
        seconds={job.id: run_seconds(job.started_at, job.finished_at, now()) for job in jobs.items},
        verdicts=VERDICTS,
        state=state if state in STATES else "",
        states=[name for name in STATES if name not in ("", ACTIVE)],
        query=q.strip(),
        is_filtered=bool(asked),
        here=_address(asked, cursor),
        first=_address(asked, "") if cursor else "",
        following=_address(asked, jobs.next_cursor) if jobs.next_cursor else "",
        pause="5s" if any(not job.state.is_terminal for job in jobs.items) else "20s",
    )


def _address(asked: Mapping[str, str], cursor: str) -> str:
    query = urlencode({**asked, "cursor": cursor} if cursor else asked)
    return f"/?{query}" if query else "/"


def uploads_of(found: Services, team: str, jobs: Iterable[Job]) -> dict[str, Upload]:
    """The checkpoints and data sets of some jobs, by id."""
    return _uploads(found, team, (x for job in jobs for x in (job.checkpoint_id, job.dataset_id, job.train_dataset_id)))


def checkpoints_of(found: Services, team: str, results: Iterable[Result]) -> dict[str, Upload]:
    """What was compressed, by id."""
    return _uploads(found, team, (result.checkpoint_id for result in results))


def _uploads(found: Services, team: str, ids: Iterable[str | None]) -> dict[str, Upload]:
    uploads: dict[str, Upload] = {}
    for upload_id in filter(None, set(ids)):
        try:
            uploads[upload_id] = found.catalog.get(team, upload_id)
        except NotFound:  # deleted since the jobs were listed
            continue
    return uploads
