"""Jobs: submit, inspect, cancel, retry, delete."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from app.api.body_limits import BoundedRoute
from app.api.deps import JobId, Services, is_still_allowed, needs
from app.api.job_polling import LONGEST_WAIT, JobPoller
from app.api.openapi import with_headers
from app.api.problem import responses
from app.api.team_limits import Places
from app.errors import InvalidKey
from app.jobs.records import NewJob
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.jobs import (
    EstimateView,
    JobChange,
    JobView,
    NewJobBody,
    PreflightView,
)

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=responses(401, 422), route_class=BoundedRoute)

Reader = Annotated[Principal, needs(Scope.JOBS_READ)]
Writer = Annotated[Principal, needs(Scope.JOBS_WRITE)]

RETRY_AFTER = "2"
WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})\b")

WAITS = Places("requests that wait", 256, 512)
"""Each of them keeps a connection."""

LATER = "Seconds until the next request is useful."
QUEUED = with_headers(202, Location="URL of the job.", Retry_After=LATER)
FETCHED = with_headers(200, Preference_Applied="The wait that was applied.", Retry_After=LATER)


def _queued(job: JobView, response: Response) -> JobView:
    response.headers["Location"] = f"{router.prefix}/{job.id}"
    response.headers["Retry-After"] = RETRY_AFTER
    return job


def _new_job(body: NewJobBody) -> NewJob:
    return NewJob(**{**body.model_dump(), "tags": tuple(body.tags)})


@router.post("", status_code=202, responses={**QUEUED, **responses(400, 404, 409, 413, 415)})
def submit_job(
    body: NewJobBody,
    caller: Writer,
    services: Services,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=255, pattern=r"^[\x20-\x7e]+$", description="Any text unique to this request."),
    ] = None,
) -> JobView:
    """Queue a compression: a search, a given plan, or another budget for a finished job.

    Sent again with the same Idempotency-Key, it returns the same job.
    """
    job = services.jobs.submit(caller.team_id, _new_job(body), idempotency_key)
    return _queued(JobView.model_validate(job), response)


@router.post("/preflight", responses=responses(400, 404, 409, 413, 415))
def preflight_job(body: NewJobBody, caller: Writer, services: Services) -> PreflightView:
    """Tell what is known of a job before it is queued, and what is in its way. Nothing is queued."""
    found = services.preflight.of(caller.team_id, _new_job(body))
    return PreflightView.model_validate(found)


@router.get("/{job_id}", response_model=JobView, responses={**FETCHED, **responses(404)})
async def get_job(
    job_id: JobId,
    caller: Reader,
    services: Services,
    request: Request,
    prefer: Annotated[
        str, Header(max_length=200, description=f"wait=N with N up to {LONGEST_WAIT} seconds (RFC 7240).")
    ] = "",
) -> Response:
    """Get one job. With ``Prefer: wait=N`` the response comes when its state changes, after N seconds at the most.

    Where as many requests of the team wait as may, it comes at once, without ``Preference-Applied``.
    """
    poller: JobPoller = request.app.state.job_poller
    preferred = WAIT.search(prefer) if WAITS.has_room(caller.team_id) else None
    seconds = min(int(preferred.group(1)), LONGEST_WAIT) if preferred else 0
    with WAITS.taken(caller.team_id) if seconds else nullcontext():
        job = await poller.wait_for_change(caller.team_id, job_id, seconds)
    if seconds and not await is_still_allowed(request, services, caller, Scope.JOBS_READ):
        raise InvalidKey("the API key was revoked, or the session ended, while the request waited")
    headers = {"Preference-Applied": f"wait={seconds}"} if preferred else {}
    if not job.state.is_terminal:
        headers["Retry-After"] = RETRY_AFTER
    # More requests than all others together: serialised once, without FastAPI's second validation.
    return Response(JobView.model_validate(job).model_dump_json(), media_type="application/json", headers=headers)


@router.get("/{job_id}/estimate", responses=responses(404))
def estimate_job(job_id: JobId, caller: Reader, services: Services) -> EstimateView:
    """Estimate when a job starts and ends."""
    return EstimateView.model_validate(services.estimates.of(caller.team_id, job_id))


@router.patch("/{job_id}", responses=responses(404, 409, 413, 415))
def change_job(job_id: JobId, body: JobChange, caller: Writer, services: Services) -> JobView:
    """Change the tags and the note of a job, or the priority of a queued one."""
    if body.priority is not None:  # first, for it alone may be refused
        services.jobs.prioritise(caller.team_id, job_id, body.priority)
    services.upkeep.describe(caller.team_id, job_id, tags=body.tags, note=body.note)
    return JobView.model_validate(services.jobs.get(caller.team_id, job_id))


@router.post("/{job_id}/cancel", status_code=202, responses=responses(404, 409))
def cancel_job(job_id: JobId, caller: Writer, services: Services) -> JobView:
    """Cancel a job: at once if it is queued, otherwise within a heartbeat."""
    return JobView.model_validate(services.jobs.cancel(caller.team_id, job_id))


@router.post("/{job_id}/retry", status_code=202, responses={**QUEUED, **responses(404, 409)})
def retry_job(job_id: JobId, caller: Writer, services: Services, response: Response) -> JobView:
    """Submit a new job with the inputs of a failed or cancelled one."""
    return _queued(JobView.model_validate(services.jobs.retry(caller.team_id, job_id)), response)


@router.delete("/{job_id}", status_code=204, responses=responses(404, 409))
def delete_job(job_id: JobId, caller: Writer, services: Services) -> None:
    """Delete a finished job and its artifacts."""
    services.jobs.delete(caller.team_id, job_id)
