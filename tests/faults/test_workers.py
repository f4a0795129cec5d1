"""Workers that die, hang, or are notified for more often than there is work."""

from __future__ import annotations

import os
import random
import signal
import time

from app.jobs.states import JobState
from app.queue import CeleryNotifier
from tests.faults.conftest import delivered, expected
from tests.support.fleet import Fleet

SLOW = {"PYTHON_STUB_CELLS": "40", "PYTHON_STUB_CELL_SECONDS": "0.1"}


def test_workers_killed_at_random_points(team: Fleet, inputs: tuple[str, str]) -> None:
    chance = random.Random(1)
    jobs = [team.submit(*inputs) for _ in range(4)]
    workers = [team.worker(**SLOW), team.worker(**SLOW)]
    for _ in range(8):
        time.sleep(chance.uniform(0.5, 3))  # a random point, not a condition
        victim = chance.choice(workers)
        victim.kill()
        victim.start()
    for job in jobs:
        assert team.until_over(job).state is JobState.SUCCEEDED
        assert delivered(team, job) == expected(40)


def test_a_worker_that_hangs_past_its_lease_and_wakes_up(team: Fleet, inputs: tuple[str, str]) -> None:
    job = team.submit(*inputs)
    first = team.worker(**SLOW)
    team.until_in_the_middle(job)
    first.freeze()
    second = team.worker(**SLOW)
    job = team.until_job(job, lambda found: found.attempts == 2)
    first.thaw()
    job = team.until_over(job)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 2)
    assert delivered(team, job) == expected(40)
    assert second.process is not None
    assert first.process is not None
    assert first.process.poll() is None  # it has lost a claim, not its life
    again = team.until_over(team.submit(*inputs))
    assert again.state is JobState.SUCCEEDED


def test_fifty_notifications_for_four_workers(team: Fleet, inputs: tuple[str, str]) -> None:
    for _ in range(4):
        team.worker(**SLOW)
    job = team.submit(*inputs)
    notifier = CeleryNotifier(team.settings.broker_url)
    for _ in range(50):
        notifier.notify_job(job.id)
    job = team.until_over(job)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
    assert delivered(team, job) == expected(40)


def test_children_killed_at_random_points(team: Fleet, inputs: tuple[str, str]) -> None:
    chance = random.Random(2)
    worker = team.worker(**SLOW)
    jobs, kills = [team.submit(*inputs)], 0
    while kills < 20:
        if team.client.job(jobs[-1].id).state.is_terminal:
            jobs.append(team.submit(*inputs))
        time.sleep(chance.uniform(0.2, 2.0))  # a random point, not a condition
        for pid in worker.children():
            os.kill(pid, signal.SIGKILL)
            kills += 1
    for job in jobs:
        assert team.until_over(job).state is JobState.SUCCEEDED
        assert delivered(team, job) == expected(40)
