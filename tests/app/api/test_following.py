"""Following jobs: many at once, over a restart, until they are over or deleted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft

from app.api.batching import Batch
from app.api.following import JobLooker, event_stream
from app.api.watching import GONE, Watch
from app.errors import NotFound
from app.factory import create_app
from app.jobs.states import JobState
from primesvt_client.facts import ProblemFacts
from tests.support.api import Api
from tests.support.dashboard import Dashboard, Team

FOLLOWERS = 300


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    found = Dashboard(tmp_path_factory.mktemp("following"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def team(board: Dashboard) -> Team:
    return board.team("ours")


def watch_over(board: Dashboard) -> Watch:
    return Watch(board.services.jobs.last_events)


async def told(stream: AsyncIterator[str]) -> list[int]:
    """Ids of everything that a stream tells until it ends."""
    chunks = [chunk async for chunk in stream]
    return [int(chunk.split("\n")[0].removeprefix("id: ")) for chunk in chunks if chunk.startswith("id: ")]


async def until(is_so: Any) -> None:
    while not is_so():
        await asyncio.sleep(0.01)


def test_many_follow_with_one_look_at_the_database_and_without_threads_of_their_own(
    board: Dashboard, team: Team
) -> None:
    jobs = [board.running(team, told=1) for _ in range(3)]
    queries: list[str] = []
    watch = watch_over(board)

    async def follow() -> list[list[int]]:
        streams = [
            event_stream(board.services.jobs, watch, team.id, jobs[n % 3][0].id, 0) for n in range(FOLLOWERS)
        ]  # fmt: skip
        following = [asyncio.create_task(told(stream)) for stream in streams]
        await until(lambda: sum(watch._followed.values()) == FOLLOWERS)
        queries.extend(["", ""])
        while len(queries) > 1:  # until everybody has read what there was
            queries.clear()
            await watch._told.wait()
        for _ in range(2):
            await watch._told.wait()
        looked, threads = len(queries), threading.active_count()
        for _, claim in jobs:
            await asyncio.to_thread(board.jobs.fail, claim, ProblemFacts(code="x", detail="y"))
        found = await asyncio.gather(*following)
        assert 1 <= looked <= 3, queries
        assert threads < 60  # anyio's own, whoever follows
        assert watch._looking is None
        return found

    def listener(*told: Any) -> None:
        if told[2].startswith("SELECT"):
            queries.append(told[2])

    event.listen(board.services.database.engine, "before_cursor_execute", listener)
    try:
        found = asyncio.run(asyncio.wait_for(follow(), 60))
    finally:
        event.remove(board.services.database.engine, "before_cursor_execute", listener)
    for n, ids in enumerate(found):
        assert ids == [one.id for one in board.services.jobs.events(team.id, jobs[n % 3][0].id)]


def test_a_stream_ends_when_its_job_is_deleted(board: Dashboard, team: Team) -> None:
    job = board.queued(team)

    async def follow() -> list[int]:
        watch = watch_over(board)
        following = asyncio.create_task(told(event_stream(board.services.jobs, watch, team.id, job.id, 0)))
        await until(lambda: watch._known.get(job.id))
        await asyncio.to_thread(board.services.jobs.cancel, team.id, job.id)
        await asyncio.to_thread(board.services.jobs.delete, team.id, job.id)
        return await following

    assert len(asyncio.run(asyncio.wait_for(follow(), 20))) <= 2
    with pytest.raises(NotFound):
        board.services.jobs.get(team.id, job.id)


def test_a_wait_on_a_job_that_is_deleted_ends(board: Dashboard, team: Team) -> None:
    job = board.queued(team)

    async def follow() -> None:
        watch = watch_over(board)
        looker = JobLooker(board.services.jobs, watch, Batch(board.services.jobs.many))
        waiting = asyncio.create_task(looker.changed(team.id, job.id, 30))
        await until(lambda: watch._known.get(job.id))
        await asyncio.to_thread(board.services.jobs.cancel, team.id, job.id)
        assert (await waiting).state is JobState.CANCELLED

    asyncio.run(asyncio.wait_for(follow(), 20))


def test_another_server_goes_on_behind_the_last_event(board: Dashboard, team: Team) -> None:
    job, claim = board.running(team, told=5)
    before = [one.id for one in board.services.jobs.events(team.id, job.id)]
    restarted = Dashboard(board.settings.data_dir)
    try:
        board.jobs.fail(claim, ProblemFacts(code="x", detail="y"))
        restarted.app = create_app(restarted.settings, restarted.services)
        answer = Api(restarted, team).get(f"/jobs/{job.id}/events", headers={"Last-Event-ID": str(before[2])})
    finally:
        restarted.close()
    ids = [int(line.removeprefix("id: ")) for line in answer.text.splitlines() if line.startswith("id: ")]
    assert ids == [one.id for one in board.services.jobs.events(team.id, job.id, before[2])]
    assert len(ids) == len(before) - 3 + 1


@pytest.mark.parametrize(
    "error", [OperationalError("", {}, OSError("away")), NoConnectionLeft("none came free"), RuntimeError("a defect")]
)
def test_a_look_that_fails_is_followed_by_another(error: Exception) -> None:
    asked: list[list[str]] = []

    def last_events(job_ids: Any) -> dict[str, int]:
        asked.append([*job_ids])
        if len(asked) == 1:
            raise error
        return {"job_1": 7}

    async def follow() -> None:
        watch = Watch(last_events)
        async with watch.following("job_1"), watch.following("job_2"):
            assert await watch.news("job_1", 6, 10) == 7
            assert await watch.news("job_2", 3, 10) == GONE
            assert await watch.news("job_1", 7, 0.01) is None
        assert watch._looking is None

    asyncio.run(follow())
