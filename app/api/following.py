"""Waiting for something to happen to a job, without a thread that waits.

The worker is another process, perhaps on another machine: the database is asked again and again, by `Watch` for all.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from app.api.batching import Batch
from app.api.watching import Watch
from app.errors import NotFound
from app.jobs.records import Job, JobEvent
from app.jobs.service import JobService

LONGEST_WAIT = 60
KEEP_ALIVE_SECONDS = 15.0
"""Proxies close connections that are silent for a minute."""

RECONNECT_MS = 1000
EVENTS_AT_ONCE = 500


@dataclass(frozen=True)
class JobLooker:
    """One job, for those who ask for it over and over."""

    jobs: JobService
    watch: Watch
    batch: Batch[tuple[str, str], Job]

    async def get(self, team: str, job_id: str) -> Job:
        """The job as it is now.

        Raises:
            NotFound: the team has no such job.
        """
        job = await self.batch.get((team, job_id))
        if job is None:
            raise NotFound(f"there is no job {job_id[:60]}")
        return job

    async def changed(self, team: str, job_id: str, seconds: float) -> Job:
        """The job as soon as its state changes or is terminal, after ``seconds`` at the most.

        Raises:
            NotFound: the team has no such job.
        """
        deadline = time.monotonic() + seconds
        job = first = await self.get(team, job_id)
        if not seconds or first.state.is_terminal:
            return first
        async with self.watch.following(job_id):
            after = 0
            while job.state is first.state and (left := deadline - time.monotonic()) > 0:
                after = await self.watch.news(job_id, after, left) or after
                job = await self.get(team, job_id)
        return job


async def is_over(jobs: JobService, team: str, job_id: str, after: int) -> bool:
    """Whether nothing will happen after the event ``after``.

    Raises:
        NotFound: the team has no such job.
    """
    # The state first: a job that ends in between still has its last event to tell.
    job = await run_in_threadpool(jobs.get, team, job_id)
    return job.state.is_terminal and not await run_in_threadpool(jobs.events, team, job_id, after, 1)


async def event_stream(jobs: JobService, watch: Watch, team: str, job_id: str, after: int) -> AsyncIterator[str]:
    """Events after ``after`` in the format of server-sent events, until the job is over or was deleted."""
    yield f"retry: {RECONNECT_MS}\n\n"
    try:
        async with watch.following(job_id):
            while not await is_over(jobs, team, job_id, after):
                events = await run_in_threadpool(jobs.events, team, job_id, after, EVENTS_AT_ONCE)
                for event in events:
                    yield _formatted(event)
                    after = event.id
                if not events and await watch.news(job_id, after, KEEP_ALIVE_SECONDS) is None:
                    yield ": still here\n\n"
    except NotFound:
        return


def _formatted(event: JobEvent) -> str:
    return f"id: {event.id}\nevent: {event.kind}\ndata: {json.dumps(event.data, separators=(',', ':'))}\n\n"
