"""What happens to a job, as it happens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from app.api.deps import Found, JobId, Watching, needs
from app.api.following import event_stream, is_over
from app.api.problem import responses
from app.teams.records import Principal
from app.teams.scopes import Scope

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=responses(401, 422))

LARGEST_EVENT_ID = 2**63 - 1
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.get(
    "/{job_id}/events",
    response_class=Response,
    responses={
        200: {"content": {"text/event-stream": {}}},
        204: {"description": "The job is over and everything was told: do not connect again."},
        **responses(404),
    },
)
async def job_events(
    job_id: JobId,
    caller: Annotated[Principal, needs(Scope.JOBS_READ)],
    found: Found,
    watch: Watching,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=LARGEST_EVENT_ID, description="Continue behind this event.")
    ] = None,
) -> Response:
    """What happens to a job, as server-sent events: ``state`` and ``progress``. Ends when the job does."""
    after = last_event_id or 0
    over = await is_over(found.jobs, caller.team_id, job_id, after)
    if over and last_event_id is not None:
        return Response(status_code=204)
    stream = event_stream(found.jobs, watch, caller.team_id, job_id, after)
    return StreamingResponse(stream, media_type="text/event-stream", headers=HEADERS)
