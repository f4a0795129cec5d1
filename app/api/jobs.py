"""Jobs: submit, follow, stop, and take home what they made."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from app.api.deps import Caller, Found
from app.api.downloads import download
from app.api.problem import responses
from app.api.schemas import ArtifactView, JobPage, JobView, NewJobBody
from app.jobs.records import NewJob
from app.jobs.states import JobState
from app.paging import LARGEST_PAGE
from app.services import Services

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=responses(401, 422))

POLL_SECONDS = 0.5
LONGEST_WAIT = 60
RETRY_AFTER = "2"
KEEP_ALIVE_SECONDS = 15
WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})\b")


@router.post("", status_code=202, responses=responses(404, 409))
def submit_job(
    body: NewJobBody,
    caller: Caller,
    found: Found,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> JobView:
    """Queue a compression; sent again with the same Idempotency-Key, the same job is returned."""
    job = found.jobs.submit(caller.team_id, NewJob(**body.model_dump()), idempotency_key)
    response.headers["Location"] = f"{router.prefix}/{job.id}"
    response.headers["Retry-After"] = RETRY_AFTER
    return JobView.model_validate(job)


@router.get("", responses=responses(400))
def list_jobs(
    caller: Caller,
    found: Found,
    state: Annotated[list[JobState] | None, Query(description="One or several.")] = None,
    q: Annotated[str, Query(max_length=200, description="Part of the name.")] = "",
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
) -> JobPage:
    """Jobs, newest first."""
    page = found.jobs.search(caller.team_id, state or (), q, cursor, limit)
    return JobPage(items=[JobView.model_validate(job) for job in page.items], next_cursor=page.next_cursor)


@router.get("/{job_id}", responses=responses(404))
async def get_job(
    job_id: str, caller: Caller, found: Found, response: Response, prefer: Annotated[str, Header(max_length=200)] = ""
) -> JobView:
    """One job; with ``Prefer: wait=N`` the answer waits for a change, N seconds at the most."""
    wanted = WAIT.search(prefer)
    deadline = time.monotonic() + (min(int(wanted.group(1)), LONGEST_WAIT) if wanted else 0)
    job = first = await run_in_threadpool(found.jobs.get, caller.team_id, job_id)
    while time.monotonic() < deadline and not job.state.is_terminal:
        await asyncio.sleep(POLL_SECONDS)
        job = await run_in_threadpool(found.jobs.get, caller.team_id, job_id)
        if (job.state, job.progress) != (first.state, first.progress):
            break
    if not job.state.is_terminal:
        response.headers["Retry-After"] = RETRY_AFTER
    return JobView.model_validate(job)


@router.post("/{job_id}/cancel", status_code=202, responses=responses(404, 409))
def cancel_job(job_id: str, caller: Caller, found: Found) -> JobView:
    """Stop a job: at once if it waits, otherwise within a heartbeat."""
    return JobView.model_validate(found.jobs.cancel(caller.team_id, job_id))


@router.post("/{job_id}/retry", status_code=202, responses=responses(404, 409))
def retry_job(job_id: str, caller: Caller, found: Found, response: Response) -> JobView:
    """A new job with the inputs of one that failed or was cancelled."""
    job = found.jobs.retry(caller.team_id, job_id)
    response.headers["Location"] = f"{router.prefix}/{job.id}"
    return JobView.model_validate(job)


@router.delete("/{job_id}", status_code=204, responses=responses(404, 409))
def delete_job(job_id: str, caller: Caller, found: Found) -> None:
    """Forget a finished job and its artifacts."""
    found.jobs.delete(caller.team_id, job_id)


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}, **responses(404)},
)
async def job_events(
    job_id: str, request: Request, caller: Caller, found: Found, last_event_id: Annotated[int, Header(ge=0)] = 0
) -> StreamingResponse:
    """What happens to a job, as server-sent events; ``Last-Event-ID`` resumes. Ends when the job does."""
    await run_in_threadpool(found.jobs.get, caller.team_id, job_id)
    stream = _events(request, found, caller.team_id, job_id, last_event_id)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _events(request: Request, found: Services, team: str, job_id: str, after: int) -> AsyncIterator[str]:
    quiet_since = time.monotonic()
    while not await request.is_disconnected():
        job = await run_in_threadpool(found.jobs.get, team, job_id)
        events = await run_in_threadpool(found.jobs.events, team, job_id, after)
        for event in events:
            after = event.id
            yield f"id: {event.id}\nevent: {event.kind}\ndata: {_one_line(event.data)}\n\n"
        if events:
            quiet_since = time.monotonic()
            continue
        if job.state.is_terminal:
            return
        if time.monotonic() - quiet_since > KEEP_ALIVE_SECONDS:
            quiet_since = time.monotonic()
            yield ": still here\n\n"
        await asyncio.sleep(POLL_SECONDS)


def _one_line(data: object) -> str:
    return json.dumps(data, separators=(",", ":"))


@router.get("/{job_id}/artifacts", responses=responses(404))
def list_artifacts(job_id: str, caller: Caller, found: Found) -> list[ArtifactView]:
    """The files of a finished job."""
    return [ArtifactView.model_validate(artifact) for artifact in found.jobs.artifacts(caller.team_id, job_id)]


@router.get(
    "/{job_id}/artifacts/{name:path}",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}},
        206: {"description": "The range asked for.", "content": {"application/octet-stream": {}}},
        304: {"description": "Unchanged."},
        **responses(404, 416),
    },
)
def get_artifact(job_id: str, name: str, request: Request, caller: Caller, found: Found) -> Response:
    """One file; ranges and conditions on its ETag, which is its sha256."""
    artifact = found.jobs.artifact(caller.team_id, job_id, name)

    def read(start: int, length: int) -> Iterator[bytes]:
        return found.jobs.open_artifact(caller.team_id, job_id, name, start, length)

    return download(request, artifact, read)
