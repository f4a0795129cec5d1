"""Streams of events: many at once, over a restart, until their jobs are over or deleted."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from app.api import event_streams
from app.api.cookies import SESSION_COOKIE
from app.api.event_polling import EventPoller
from app.api.event_streams import event_stream
from app.errors import NotFound
from app.factory import create_app
from app.teams.scopes import Role
from primesvt_client.facts import ProblemFacts
from tests.support import people
from tests.support.api import Api, problem
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


async def may() -> bool:
    return True


FOLLOWERS = 120


async def ids_of(stream: AsyncIterator[bytes]) -> list[int]:
    """Ids of all events of a stream, until it ends."""
    lines = [line for chunk in [chunk async for chunk in stream] for line in chunk.decode().splitlines()]
    return [int(line.removeprefix("id: ")) for line in lines if line.startswith("id: ")]


def test_many_follow_with_one_look_at_the_database_and_without_threads_of_their_own(
    board: Dashboard, team: Team
) -> None:
    jobs = [board.running(team, reports=1) for _ in range(3)]
    queries: list[str] = []
    poller = poller_of(board)
    others = threading.active_count()  # whatever tests before this one left

    async def follow() -> list[list[int]]:
        streams = [
            event_stream(board.services.jobs, poller, team.id, jobs[n % 3][0].id, 0, may) for n in range(FOLLOWERS)
        ]  # fmt: skip
        following = [asyncio.create_task(ids_of(stream)) for stream in streams]
        await until(lambda: sum(poller._subscribers.values()) == FOLLOWERS)
        count = FOLLOWERS
        while count > 3:  # until everybody has read what there was
            queries.clear()
            for _ in range(2):
                await poller._polled.wait()
            count = len(queries)
        threads = threading.active_count()
        for _, claim in jobs:
            await asyncio.to_thread(board.jobs.fail, claim, ProblemFacts(code="x", detail="y"))
        found = await asyncio.gather(*following)
        assert count >= 1
        assert threads - others < 60  # anyio's and asyncio's own, however many follow
        assert poller._polling is None
        return found

    def listener(*arguments: Any) -> None:
        if arguments[2].startswith("SELECT"):
            queries.append(arguments[2])

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
        poller = poller_of(board)
        following = asyncio.create_task(ids_of(event_stream(board.services.jobs, poller, team.id, job.id, 0, may)))
        await until(lambda: poller._last.get(job.id))
        await asyncio.to_thread(board.services.jobs.cancel, team.id, job.id)
        await asyncio.to_thread(board.services.jobs.delete, team.id, job.id)
        return await following

    assert len(asyncio.run(asyncio.wait_for(follow(), 20))) <= 2
    with pytest.raises(NotFound):
        board.services.jobs.get(team.id, job.id)


def test_another_server_goes_on_behind_the_last_event(board: Dashboard, team: Team) -> None:
    job, claim = board.running(team, reports=5)
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


@pytest.mark.parametrize("how", ["key", "session", "role"])
def test_a_stream_ends_when_who_follows_may_no_longer(
    board: Dashboard, team: Team, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_streams, "RECHECK_SECONDS", 0.1)
    job, _ = board.running(team, reports=1)
    key = board.services.keys.create(team.id, how)
    person = people.person(board, team, Role.VIEWER, f"{how}@example.org")
    api = Api(board, replace(team, secret=key.secret))
    if how != "key":
        api.headers = {"Cookie": f"{SESSION_COOKIE}={person.session}"}

    def end() -> None:
        if how == "key":
            board.services.keys.revoke(team.id, key.id)
        elif how == "session":
            board.services.sessions.close(person.session)
        else:
            user_id = str(board.services.sessions.resume(person.session).user_id)
            board.services.members.remove(team.id, user_id)

    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(api.get, f"/jobs/{job.id}/events")
        deadline = time.monotonic() + 20
        while not board.app.state.event_poller._subscribers[job.id]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        end()
        answer = following.result(timeout=20)
    assert answer.status_code == 200
    assert not board.services.jobs.get(team.id, job.id).state.is_terminal


def test_a_long_poll_is_not_answered_to_who_may_no_longer(board: Dashboard, team: Team) -> None:
    job, claim = board.running(team, reports=1)
    key = board.services.keys.create(team.id, "polls")
    api = Api(board, replace(team, secret=key.secret))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.get, f"/jobs/{job.id}", headers={"Prefer": "wait=20"})
        deadline = time.monotonic() + 20
        while not board.app.state.event_poller._subscribers[job.id]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        board.services.keys.revoke(team.id, key.id)
        board.jobs.fail(claim, ProblemFacts(code="x", detail="y"))
        with problem(waiting.result(timeout=20), 401, "invalid_key"):
            pass
