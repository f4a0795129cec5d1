"""Asking for a job over and over, and waiting for its state to change, without a thread that waits."""

from __future__ import annotations

import time
from dataclasses import dataclass

from app.api.batching import BatchLoader
from app.api.event_polling import EventPoller
from app.errors import NotFound
from app.jobs.records import Job
from app.jobs.service import JobService

LONGEST_WAIT = 60


@dataclass(frozen=True)
class JobPoller:
    """Single jobs, for clients that ask for them over and over."""

    jobs: JobService
    events: EventPoller
    loader: BatchLoader[tuple[str, str], Job]

    async def get(self, team: str, job_id: str) -> Job:
        """The job as it is now.

        Raises:
            NotFound: the team has no such job.
        """
        job = await self.loader.load((team, job_id))
        if job is None:
            raise NotFound(f"there is no job {job_id[:60]}")
        return job

    async def wait_for_change(self, team: str, job_id: str, seconds: float) -> Job:
        """The job as soon as its state changes or is terminal, after ``seconds`` at the most.

        Raises:
            NotFound: the team has no such job.
        """
        deadline = time.monotonic() + seconds
        job = first = await self.get(team, job_id)
        if not seconds or first.state.is_terminal:
            return first
        async with self.events.subscribed(job_id):
            after = 0
            while job.state is first.state and (left := deadline - time.monotonic()) > 0:
                after = await self.events.wait_for_event(job_id, after, left) or after
                job = await self.get(team, job_id)
        return job
