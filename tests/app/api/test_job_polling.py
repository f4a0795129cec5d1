"""Long polls of jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from app.api.batching import BatchLoader
from app.api.event_polling import EventPoller
from app.api.job_polling import JobPoller
from app.jobs.states import JobState
from tests.support.dashboard import Dashboard, Team


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    found = Dashboard(tmp_path_factory.mktemp("following"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def team(board: Dashboard) -> Team:
    return board.team("ours")


def poller_of(board: Dashboard) -> EventPoller:
    return EventPoller(board.services.jobs.last_events)


async def until(is_so: Any) -> None:
    while not is_so():
        await asyncio.sleep(0.01)


def test_a_wait_on_a_job_that_is_deleted_ends(board: Dashboard, team: Team) -> None:
    job = board.queued(team)

    async def follow() -> None:
        events = poller_of(board)
        poller = JobPoller(board.services.jobs, events, BatchLoader(board.services.jobs.many))
        waiting = asyncio.create_task(poller.wait_for_change(team.id, job.id, 30))
        await until(lambda: events._last.get(job.id))
        await asyncio.to_thread(board.services.jobs.cancel, team.id, job.id)
        assert (await waiting).state is JobState.CANCELLED

    asyncio.run(asyncio.wait_for(follow(), 20))
