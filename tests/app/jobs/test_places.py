"""Many jobs at once, and their places in the queue."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.jobs import places
from app.jobs.states import JobState
from tests.support.dashboard import Dashboard, Team


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    found = Dashboard(tmp_path_factory.mktemp("polling"))
    yield found
    found.close()


@pytest.fixture
def team(board: Dashboard) -> Team:
    return board.team("ours")


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
