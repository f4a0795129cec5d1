"""Jobs: submit, look at, stop, try again, forget."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from app.api.bodies import BoundedRoute
from app.api.deps import Found, JobId, needs
from app.api.following import LONGEST_WAIT, JobLooker
from app.api.openapi import with_headers
from app.api.problem import responses
from app.jobs.records import NewJob
from app.jobs.states import JobState
from app.paging import LARGEST_PAGE
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.jobs import EstimateView, JobChange, JobPage, JobView, NewJobBody
from primesvt_client.spec import TEXT

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=responses(401, 422), route_class=BoundedRoute)

Reader = Annotated[Principal, needs(Scope.JOBS_READ)]
Writer = Annotated[Principal, needs(Scope.JOBS_WRITE)]

RETRY_AFTER = "2"
WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})\b")

LATER = "Seconds until it makes sense to ask again."
QUEUED = with_headers(202, Location="Where the job is found.", Retry_After=LATER)
LOOKED_UP = with_headers(200, Preference_Applied="The wait that was granted.", Retry_After=LATER)


def _queued(job: JobView, response: Response) -> JobView:
    response.headers["Location"] = f"{router.prefix}/{job.id}"
    response.headers["Retry-After"] = RETRY_AFTER
    return job


@router.post("", status_code=202, responses={**QUEUED, **responses(400, 404, 409, 413, 415)})
def submit_job(
    body: NewJobBody,
    caller: Writer,
    found: Found,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1, max_length=255, pattern=r"^[\x20-\x7e]+$", description="Any text that only this request has."
        ),
    ] = None,
) -> JobView:
    """Queue a compression; sent again with the same Idempotency-Key, the same job is returned."""
    job = found.jobs.submit(caller.team_id, NewJob(**body.model_dump()), idempotency_key)
    return _queued(JobView.model_validate(job), response)


@router.get("", responses=responses(400))
def list_jobs(
    caller: Reader,
    found: Found,
    state: Annotated[list[JobState] | None, Query(description="One or several.")] = None,
    q: Annotated[str, Query(max_length=200, pattern=TEXT, description="Part of the name.")] = "",
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
) -> JobPage:
    """Jobs, newest first."""
    page = found.jobs.search(caller.team_id, state or (), q, cursor, limit)
    return JobPage(items=[JobView.model_validate(job) for job in page.items], next_cursor=page.next_cursor)


@router.get("/{job_id}", response_model=JobView, responses={**LOOKED_UP, **responses(404)})
async def get_job(
    job_id: JobId,
    caller: Reader,
    request: Request,
    prefer: Annotated[
        str, Header(max_length=200, description=f"wait=N, N seconds up to {LONGEST_WAIT} (RFC 7240).")
    ] = "",
) -> Response:
    """One job; with ``Prefer: wait=N`` the answer comes when its state changes, after N seconds at the most."""
    looker: JobLooker = request.app.state.looker
    asked = WAIT.search(prefer)
    seconds = min(int(asked.group(1)), LONGEST_WAIT) if asked else 0
    job = await looker.changed(caller.team_id, job_id, seconds)
    headers = {"Preference-Applied": f"wait={seconds}"} if asked else {}
    if not job.state.is_terminal:
        headers["Retry-After"] = RETRY_AFTER
    # Asked more than everything else together: as text at once, without FastAPI's second look at it.
    return Response(JobView.model_validate(job).model_dump_json(), media_type="application/json", headers=headers)


@router.get("/{job_id}/estimate", responses=responses(404))
def estimate_job(job_id: JobId, caller: Reader, found: Found) -> EstimateView:
    """When a job will begin and end."""
    return EstimateView.model_validate(found.estimates.of(caller.team_id, job_id))


@router.patch("/{job_id}", responses=responses(404, 409, 413, 415))
def change_job(job_id: JobId, body: JobChange, caller: Writer, found: Found) -> JobView:
    """Give a job that waits another priority."""
    return JobView.model_validate(found.jobs.prioritise(caller.team_id, job_id, body.priority))


@router.post("/{job_id}/cancel", status_code=202, responses=responses(404, 409))
def cancel_job(job_id: JobId, caller: Writer, found: Found) -> JobView:
    """Stop a job: at once if it waits, otherwise within a heartbeat."""
    return JobView.model_validate(found.jobs.cancel(caller.team_id, job_id))


@router.post("/{job_id}/retry", status_code=202, responses={**QUEUED, **responses(404, 409)})
def retry_job(job_id: JobId, caller: Writer, found: Found, response: Response) -> JobView:
    """A new job with the inputs of one that failed or was cancelled."""
    return _queued(JobView.model_validate(found.jobs.retry(caller.team_id, job_id)), response)


@router.delete("/{job_id}", status_code=204, responses=responses(404, 409))
def delete_job(job_id: JobId, caller: Writer, found: Found) -> None:
    """Forget a finished job and its artifacts."""
    found.jobs.delete(caller.team_id, job_id)
