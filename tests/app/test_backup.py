"""A back-up made as the documentation says, of a service that runs, and what a service on its copy knows."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.jobs.states import JobState
from tests.support.api import Api
from tests.support.dashboard import Dashboard, Team
from tests.support.databases import REQUIRED, fresh_url

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()


def lived_in(board: Dashboard) -> tuple[Team, dict[str, str]]:
    """A team with a finished job, one that runs and one that waits; their states by id."""
    team = board.team("ours")
    jobs = [board.succeeded(team), board.running(team)[0], board.queued(team)]
    return team, {job.id: job.state.value for job in jobs}


def check(copy: Dashboard, team: Team, states: dict[str, str]) -> None:
    """The copy lets the same key in, knows the same jobs, has every byte, and is worked with."""
    api = Api(copy, team)
    assert {job["id"]: job["state"] for job in api.get("/jobs").json()["items"]} == states
    [finished] = [job_id for job_id, state in states.items() if state == "succeeded"]
    artifacts = api.get(f"/jobs/{finished}/artifacts").json()
    assert len(artifacts) == 4
    for one in artifacts:
        content = api.get(f"/jobs/{finished}/artifacts/{one['name']}").content
        assert hashlib.sha256(content).hexdigest() == one["sha256"]
    [waiting] = [job_id for job_id, state in states.items() if state == "queued"]
    assert copy.jobs.claim(waiting, "another worker") is not None
    assert copy.services.jobs.get(team.id, waiting).state is JobState.RUNNING
    assert copy.app.state.readiness.check().is_ready


def test_one_machine_is_copied_while_it_runs_and_goes_on_from_the_copy(tmp_path: Path) -> None:
    board = Dashboard(tmp_path / "primesvt-data")
    team, states = lived_in(board)
    [commands] = re.findall(r"```sh\n(python -c .*?)```", DOCUMENT, re.DOTALL)
    (tmp_path / "backup").mkdir()
    commands = re.sub(r"^python", sys.executable, commands)
    subprocess.run(["sh", "-ec", commands], cwd=tmp_path, check=True)
    board.close()
    shutil.rmtree(tmp_path / "primesvt-data")
    copy = Dashboard(tmp_path / "backup")
    check(copy, team, states)
    copy.close()


def test_postgresql_is_dumped_and_restored_as_documented(tmp_path: Path) -> None:
    if shutil.which("pg_dump") is None:
        if REQUIRED:
            pytest.fail("pg_dump is not on this machine")
        pytest.skip("pg_dump is not on this machine")
    assert "pg_dump --format=custom" in DOCUMENT
    assert "pg_restore --clean --if-exists --no-owner" in DOCUMENT
    data, dump = tmp_path / "data", tmp_path / "dump"
    with fresh_url("postgresql", tmp_path) as first, fresh_url("postgresql", tmp_path) as second:
        board = Dashboard(data, database_url=first)
        team, states = lived_in(board)
        plain = [url.replace("+psycopg", "") for url in (first, second)]
        subprocess.run(["pg_dump", "--format=custom", "--file", dump, plain[0]], check=True)
        board.close()
        shutil.copytree(data / "blobs", tmp_path / "copy" / "blobs")
        restore = ["pg_restore", "--clean", "--if-exists", "--no-owner", "--dbname", plain[1], str(dump)]
        subprocess.run(restore, check=True)
        copy = Dashboard(tmp_path / "copy", database_url=second)
        check(copy, team, states)
        copy.close()
