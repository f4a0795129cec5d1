"""Server-sent events of a job, without a thread that waits.

The worker is another process, perhaps on another machine: the database is polled, by one `EventPoller` for all.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from fastapi.sse import format_sse_event

from app.api.event_polling import EventPoller
from app.api.team_limits import Places, TeamThreads
from app.errors import NotFound
from app.jobs.records import JobEvent
from app.jobs.service import JobService

KEEP_ALIVE_SECONDS = 15.0
"""Proxies close connections that are silent for a minute."""

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
    jobs: JobService, poller: EventPoller, team: str, job_id: str, after: int
) -> AsyncIterator[bytes]:
    """Events after ``after`` in the format of server-sent events, until the job is over or was deleted."""
    yield format_sse_event(retry=RECONNECT_MS)
    try:
        async with poller.subscribed(job_id):
            while not await is_over(jobs, team, job_id, after):
                events = await THREADS.run(team, jobs.events, team, job_id, after, EVENTS_PER_QUERY)
                for event in events:
                    yield _formatted(event)
                    after = event.id
                if not events and await poller.wait_for_event(job_id, after, KEEP_ALIVE_SECONDS) is None:
                    yield format_sse_event(comment="keep-alive")
    except NotFound:
        return


def _formatted(event: JobEvent) -> bytes:
    data = json.dumps(event.data, separators=(",", ":"))
    return format_sse_event(id=str(event.id), event=event.kind, data_str=data)
