"""The list of workers."""

from __future__ import annotations

from app.workers.records import WorkerState
from tests.support.browsing import attributes, get
from tests.support.dashboard import Dashboard


def test_workers_are_shown_with_the_teams_own_jobs(board: Dashboard) -> None:
    ours, theirs = board.team("workers' team"), board.team("another team")
    job = board.queued(ours)
    board.services.workers.report("w1", "gpu-1", ["cpu", "cuda"], "0.1", WorkerState.BUSY, job.id)
    shown = {team.id: get(board, team, "/workers").text for team in (ours, theirs)}
    assert "<html" in shown[ours.id]
    assert f'href="/jobs/{job.id}"' in shown[ours.id]
    assert "CPU, CUDA" in shown[ours.id]
    assert job.id not in shown[theirs.id]
    assert attributes(shown[theirs.id], "data-job") == ["other"]
