"""Wall clocks that jump, of one machine while others keep theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.jobs.states import JobState
from tests.faults.conftest import delivered, expected
from tests.support.clocks import Clock
from tests.support.fleet import Fleet

HOUR, DAY = 3600, 86_400
SLOW = {"PYTHON_STUB_CELLS": "40", "PYTHON_STUB_CELL_SECONDS": "0.1"}


@pytest.mark.parametrize("seconds", [HOUR, -HOUR, DAY, -DAY])
def test_the_clock_of_a_workers_machine_jumps(
    team: Fleet, inputs: tuple[str, str], tmp_path: Path, seconds: int
) -> None:
    """The worker keeps its job, and nobody takes it for dead."""
    clock = Clock(tmp_path)
    team.worker(**SLOW, **clock.env)
    job = team.submit(*inputs)
    team.until_in_the_middle(job)
    clock.move(seconds)
    job = team.until_over(job)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
    assert delivered(team, job) == expected(40)


@pytest.mark.parametrize("seconds", [HOUR, -HOUR, DAY, -DAY])
def test_the_clock_of_api_and_reconciler_jumps(
    team: Fleet, inputs: tuple[str, str], tmp_path: Path, seconds: int
) -> None:
    """Jobs that are submitted by a wrong clock are claimed all the same, and leases are not taken for expired."""
    clock = Clock(tmp_path)
    for part in team.parts:
        if part.name == "api" or part.name.startswith("reconciler"):
            part.kill()
    team.api(**clock.env)
    team.reconciler(**clock.env)
    team.worker(**SLOW)
    job = team.submit(*inputs)
    team.until_in_the_middle(job)
    clock.move(seconds)
    later = team.submit(*inputs)
    job, later = team.until_over(job), team.until_over(later)
    for found in (job, later):
        assert (found.state, found.attempts) == (JobState.SUCCEEDED, 1)
        assert delivered(team, found) == expected(40)
