"""What one team may do at the same time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import anyio
import httpx
import pytest

from app.api import body_streams
from app.api.team_limits import Places, TeamThreads
from app.errors import RateLimited
from tests.support.api import Api, problem
from tests.support.dashboard import Dashboard


def test_places_are_limited_for_a_team_and_in_all() -> None:
    places = Places("streams", 2, 3)
    with places.taken("a"), places.taken("a"):
        with pytest.raises(RateLimited, match="your team has 2 streams"):
            places.check("a")
        places.check("b")
        with places.taken("b"), pytest.raises(RateLimited, match="this server has 3 streams"):
            places.check("c")
        places.check("b")
    assert not places.held


def test_a_teams_threads_leave_those_of_others_alone() -> None:
    threads, release, log = TeamThreads(2), threading.Event(), list[str]()

    def wait(name: str) -> None:
        release.wait(20)
        log.append(name)

    async def ask() -> None:
        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(threads.run, "a", wait, f"a{number}")
            await anyio.sleep(0.05)
            with anyio.fail_after(10):
                await threads.run("b", log.append, "b")
            assert log == ["b"]
            release.set()

    anyio.run(ask)
    assert len(log) == 6
    assert not threads._limiters


def test_bodies_and_streams_of_a_team_are_limited(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = dashboard.team("ours"), dashboard.team("theirs")
    streams, bodies = Places("open streams of events", 1, 9), Places("uploads under way", 1, 9)
    monkeypatch.setattr("app.api.events.STREAMS", streams)
    monkeypatch.setattr(body_streams, "PLACES", bodies)
    monkeypatch.setattr("app.api.uploads.PLACES", bodies)
    jobs = {team.id: dashboard.succeeded(team).id for team in (ours, theirs)}
    with streams.taken(ours.id), bodies.taken(ours.id):
        answer = Api(dashboard, ours).get(f"/jobs/{jobs[ours.id]}/events")
        with problem(answer, 429, "rate_limited"):
            assert answer.headers["retry-after"] == "5"
        query = "/uploads/whole?kind=dataset&name=a"
        with problem(Api(dashboard, ours).post(query, content=b"abc"), 429, "rate_limited"):
            pass
        assert len(Api(dashboard, ours).get("/uploads").json()["items"]) == 2  # of the job: none that was refused
        assert Api(dashboard, theirs).get(f"/jobs/{jobs[theirs.id]}/events").status_code == 200
        assert Api(dashboard, theirs).post(query, content=b"abc").status_code == 202
    assert Api(dashboard, ours).get(f"/jobs/{jobs[ours.id]}/events").status_code == 200
    assert not streams.held
    assert not bodies.held


def test_where_as_many_wait_as_may_the_answer_comes_at_once(
    dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    team, waits = dashboard.team("waiting"), Places("requests that wait", 1, 9)
    monkeypatch.setattr("app.api.jobs.WAITS", waits)
    path, asked = f"/jobs/{dashboard.queued(team).id}", {"Prefer": "wait=1"}
    api = Api(dashboard, team)
    with waits.taken(team.id):
        at_once = api.get(path, headers=asked)
    assert (at_once.status_code, "preference-applied" in at_once.headers) == (200, False)
    assert at_once.headers["retry-after"] == "2"
    assert api.get(path, headers=asked).headers["preference-applied"] == "wait=1"
    assert not waits.held


@pytest.fixture
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    found = Dashboard(tmp_path_factory.mktemp("limits"))
    yield found
    found.close()


def test_streams_that_come_at_once_are_counted_before_they_begin(
    dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = Places("open streams of events", 2, 9)
    monkeypatch.setattr("app.api.events.STREAMS", streams)
    team = dashboard.team("many")
    path = f"/api/v1/jobs/{dashboard.succeeded(team).id}/events"

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(app=dashboard.app)
        headers = {"Authorization": f"Bearer {team.secret}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://server", headers=headers) as client:
            answers = await asyncio.gather(*(client.get(path) for _ in range(6)))
        return sorted(answer.status_code for answer in answers)

    assert anyio.run(ask) == [200, 200, 429, 429, 429, 429]
    assert not streams.held
