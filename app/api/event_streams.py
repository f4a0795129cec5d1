"""Server-sent events of a job, without a thread that waits.

The worker is another process, perhaps on another machine: the database is polled, by one `EventPoller` for all.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable

from fastapi.sse import format_sse_event

from app.api.event_polling import EventPoller
from app.api.team_limits import Places, TeamThreads
from app.errors import NotFound
from app.jobs.records import JobEvent
from app.jobs.service import JobService

RECHECK_SECONDS = 5.0
"""A stream whose key was revoked, or whose session has ended, sends no more events, and ends so soon."""

RECHECKS_PER_SILENCE = 3
"""Proxies close connections that are silent for a minute."""

MayGoOn = Callable[[], Awaitable[bool]]
STREAMS = Places("open streams of events", 128, 1024)
THREADS = TeamThreads(8)
"""Queries at the same time for a team's streams, which events wake all at once."""

RECONNECT_MS = 1000
EVENTS_PER_QUERY = 500


async def is_over(jobs: JobService, team: str, job_id: str, after: int) -> bool:
    """Whether nothing will happen after the event ``after``.

    Raises:
        NotFound: the team has no such job.
    """
    # The state first: a job that ends in between still has its last event to send.
    job = await THREADS.run(team, jobs.get, team, job_id)
    return job.state.is_terminal and not await THREADS.run(team, jobs.events, team, job_id, after, 1)


async def event_stream(
    jobs: JobService, poller: EventPoller, team: str, job_id: str, after: int, may_go_on: MayGoOn
) -> AsyncIterator[bytes]:
    """Events after ``after`` in the format of server-sent events, until the job is over or was deleted.

    Args:
        jobs: reads them.
        poller: tells when there are more.
        team: whose job it is.
        job_id: the job.
        after: id of the last event that the client has.
        may_go_on: asked before anything more is sent, and every `RECHECK_SECONDS`; False ends the stream.
    """
    yield format_sse_event(retry=RECONNECT_MS)
    try:
        async with poller.subscribed(job_id):
            while not await is_over(jobs, team, job_id, after) and await may_go_on():
                events = await THREADS.run(team, jobs.events, team, job_id, after, EVENTS_PER_QUERY)
                for event in events:
                    yield _formatted(event)
                    after = event.id
                if not events and not await _has_more(poller, job_id, after, may_go_on):
                    yield format_sse_event(comment="keep-alive")
    except NotFound:
        return


async def _has_more(poller: EventPoller, job_id: str, after: int, may_go_on: MayGoOn) -> bool:
    """Wait for an event, or for the moment at which the stream may not go on, as long as a silence may last."""
    for _ in range(RECHECKS_PER_SILENCE):
        if await poller.wait_for_event(job_id, after, RECHECK_SECONDS) is not None or not await may_go_on():
            return True
    return False


def _formatted(event: JobEvent) -> bytes:
    data = json.dumps(event.data, separators=(",", ":"))
    return format_sse_event(id=str(event.id), event=event.kind, data_str=data)
