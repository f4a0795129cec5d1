"""Polling: many who ask at once are answered together, with what is true after they asked."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.api.batching import Batch
from app.errors import InvalidKey
from app.jobs import places
from app.jobs.states import JobState
from app.settings import Settings
from app.teams.limits import SHARE, RateLimiter, Rule
from tests.support.dashboard import Dashboard, Team


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    found = Dashboard(tmp_path_factory.mktemp("polling"))
    yield found
    found.close()


@pytest.fixture
def team(board: Dashboard) -> Team:
    return board.team("ours")


class Slow:
    """Loads squares, a round at a time, each when it is let."""

    def __init__(self) -> None:
        self.rounds: list[set[int]] = []
        self.go = threading.Semaphore(0)

    def __call__(self, keys: set[int]) -> dict[int, int]:
        self.rounds.append(set(keys))
        assert self.go.acquire(timeout=20)
        if 13 in keys:
            raise OSError("no")
        return {key: key * key for key in keys if key >= 0}


def test_who_asks_while_a_query_is_under_way_is_answered_by_the_next() -> None:
    async def ask() -> None:
        load = Slow()
        batch = Batch(load)
        first = asyncio.create_task(batch.get(1))
        while not load.rounds:
            await asyncio.sleep(0)
        others = [asyncio.create_task(batch.get(key)) for key in (1, 2, 3, -1, 2)]
        await asyncio.sleep(0)
        load.go.release()
        assert await first == 1
        load.go.release()
        assert await asyncio.gather(*others) == [1, 4, 9, None, 4]
        assert load.rounds == [{1}, {1, 2, 3, -1}]  # 1 again: it may have changed since

    asyncio.run(asyncio.wait_for(ask(), 30))


def test_a_failure_is_told_to_its_round_alone_and_a_giver_up_takes_nobody_along() -> None:
    async def ask() -> None:
        load = Slow()
        batch = Batch(load)
        load.go.release(10)
        failed = await asyncio.gather(batch.get(13), batch.get(2), return_exceptions=True)
        assert [type(one) for one in failed] == [OSError, OSError]
        given_up, other = asyncio.create_task(batch.get(4)), asyncio.create_task(batch.get(5))
        await asyncio.sleep(0)
        given_up.cancel()
        assert await other == 25

    asyncio.run(asyncio.wait_for(ask(), 30))


def test_one_batch_serves_one_event_loop_after_another() -> None:
    load = Slow()
    load.go.release(10)
    batch = Batch(load)
    for key in (2, 3):
        assert asyncio.run(batch.get(key)) == key * key


def test_jobs_of_several_teams_are_found_at_once_and_each_only_by_its_own(board: Dashboard, team: Team) -> None:
    other = board.team("theirs")
    ours, theirs = board.queued(team), board.queued(other)
    asked = {(team.id, ours.id), (other.id, theirs.id), (other.id, ours.id), (team.id, "job_unknown")}
    found = board.services.jobs.many(asked)
    assert found == {
        (owner.id, job.id): board.services.jobs.get(owner.id, job.id) for owner, job in ((team, ours), (other, theirs))
    }


def test_places_are_a_second_old_at_most_and_a_state_is_never(
    board: Dashboard, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = board.queued(team), board.queued(team)
    look = board.services.jobs.many
    keys = [(team.id, job.id) for job in (first, second)]
    before = [look(keys)[key].queue_position for key in keys]
    assert before[0] is not None
    assert before[1] == before[0] + 1
    assert board.jobs.claim(first.id, "worker") is not None
    assert [look(keys)[key].state for key in keys] == [JobState.RUNNING, JobState.QUEUED]
    assert [look(keys)[key].queue_position for key in keys] == [None, before[1]]
    monkeypatch.setattr(places, "KEPT_SECONDS", 0.0)
    assert look(keys)[keys[1]].queue_position == board.services.jobs.get(*keys[1]).queue_position


def test_keys_are_judged_together_and_each_for_itself(board: Dashboard, team: Team) -> None:
    other = board.services.keys.create(team.id, "other")
    revoked = board.services.keys.create(team.id, "revoked")
    board.services.keys.revoke(team.id, revoked.id)
    found = board.services.keys.holders([team.secret, other.secret, revoked.secret, "psvt_typo"])
    assert found[other.secret] == board.services.keys.authenticate(other.secret)
    assert [type(found[secret]) for secret in (revoked.secret, "psvt_typo")] == [InvalidKey, InvalidKey]
    used = {key.id: key.last_used_at for key in board.services.keys.all(team.id)}
    assert used[other.id] is not None
    assert used[revoked.id] is None


def test_a_limit_counted_ahead_is_exact_for_one_process_and_strict_for_several(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, broker_url="memory://")
    first, second = (RateLimiter(settings, clock=lambda: 7.0) for _ in range(2))
    second.own = first.own  # as if both asked one broker
    rule = Rule("test", 10 * SHARE, 60)
    for number in range(1, 11):
        assert first.count(rule, "a").used == number
    assert second.count(rule, "a").used == 11
    allowed = [limiter.count(rule, "a").is_exceeded for _ in range(6 * SHARE) for limiter in (first, second)]
    passed = 11 + allowed.count(False)
    assert rule.requests - 2 * rule.requests / SHARE <= passed <= rule.requests
    exact = Rule("few", 5, 60)
    assert [first.count(exact, "b").is_exceeded for _ in range(6)] == [False] * 5 + [True]
    assert first.count(Rule("none", 0, 60), "c").is_exceeded is False


def test_what_a_server_has_loaded_is_no_longer_looked_through_for_garbage(tmp_path: Path) -> None:
    program = (
        "import gc; from app.main import create; kept = create(); print(gc.get_freeze_count(), len(gc.get_objects()))"
    )
    env = {**os.environ, **Settings(data_dir=tmp_path, broker_url="memory://").environment()}
    told = subprocess.check_output([sys.executable, "-c", program], env=env, text=True, timeout=60)
    frozen, looked_through = map(int, told.split())
    assert frozen > 100 * looked_through
