"""Server-sent events of a job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.sse import EventSourceResponse
from starlette import types

from app.api.deps import JobId, Poller, Services, is_still_allowed, needs
from app.api.event_streams import STREAMS, event_stream, is_over
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
        204: {"description": "The job has ended and all its events were sent: do not reconnect."},
        **responses(404),
    },
)
async def job_events(
    job_id: JobId,
    request: Request,
    caller: Annotated[Principal, needs(Scope.JOBS_READ)],
    services: Services,
    poller: Poller,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=LARGEST_EVENT_ID, description="Resume after this event.")
    ] = None,
) -> Response:
    """Stream the job's events, ``state`` and ``progress``, as server-sent events until the job ends.

    A stream ends, too, when its API key is revoked or expires, or its session ends.
    """
    after = last_event_id or 0

    async def may_go_on() -> bool:
        return await is_still_allowed(request, services, caller, Scope.JOBS_READ)

    with ExitStack() as place:
        place.enter_context(STREAMS.taken(caller.team_id))
        over = await is_over(services.jobs, caller.team_id, job_id, after)
        if over and last_event_id is not None:
            return Response(status_code=204)
        stream = event_stream(services.jobs, poller, caller.team_id, job_id, after, may_go_on)
        return EventStreamResponse(stream, place.pop_all())


class EventStreamResponse(EventSourceResponse):
    """A stream that holds its team's place until it ends, however it ends."""

    def __init__(self, content: AsyncIterator[bytes], place: ExitStack) -> None:
        super().__init__(content, headers=HEADERS)
        self.place = place

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        with self.place:
            await super().__call__(scope, receive, send)
