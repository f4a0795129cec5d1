"""Children that really compute, killed at random points: the report is that of an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from app.catalog.states import UploadKind
from app.jobs.states import JobState
from primesvt_client.schemas.jobs import JobView
from tests.support.embedded import EXAMPLES, QUICK
from tests.support.fleet import Fleet, Part

KILLS, LATEST_SECONDS = 20, 6.0


def uploads(team: Fleet) -> tuple[str, str]:
    model = team.client.upload(EXAMPLES / "spikformer-digits.pth.tar", UploadKind.CHECKPOINT)
    images = team.client.upload(EXAMPLES / "digits.npz", UploadKind.DATASET)
    return team.client.wait_upload(model.id).id, team.client.wait_upload(images.id).id


@pytest.mark.timeout(600)
def test_computing_children_killed_at_random_points(team: Fleet) -> None:
    chance = random.Random(6)
    worker = team.computing_worker()
    inputs = uploads(team)
    before = time.monotonic()
    first = team.until_over(team.client.submit(*inputs, QUICK))
    took, undisturbed = time.monotonic() - before, team.report(first)
    jobs: list[JobView] = []
    for _ in range(KILLS):
        if not jobs or team.client.job(jobs[-1].id).state.is_terminal:
            jobs.append(team.client.submit(*inputs, QUICK))
        kill_at(worker, chance.uniform(0.0, min(took, LATEST_SECONDS)))
    for job in jobs:
        found = team.until_over(job)
        assert found.state is JobState.SUCCEEDED, found.problem
        assert team.report(found) == undisturbed
    attempts = [team.client.job(job.id).attempts for job in jobs]
    assert sum(attempts) - len(jobs) > KILLS // 2  # the other kills came between two children


def kill_at(worker: Part, seconds: float) -> None:
    """Kill the next child after it has lived so long, or has ended by itself."""
    deadline = time.monotonic() + seconds + 10
    while not worker.children() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(seconds)  # a random point, not a condition
    for pid in worker.children():
        os.kill(pid, signal.SIGKILL)
