"""datasets on the command line, over the database of a data folder."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.commands import datasets
from app.db import Database, connect
from app.settings import Settings
from app.teams.service import TeamService
from app.workers.records import WorkerState
from app.workers.service import WorkerService
from tests.support.page_blocks import blocks, commands

WRONG_INPUT = 2


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PRIMESVT_DATA_DIR", str(tmp_path / "service"))
    (tmp_path / "service").mkdir()
    (tmp_path / "digits.npz").write_bytes(b"images")
    found = connect(Settings(data_dir=tmp_path / "service").database)
    found.migrate()
    for name in ("ours", "theirs", "theirs"):  # names are for teams to choose
        TeamService(found).create_team(name)
    yield found
    found.engine.dispose()


def run(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(datasets.commands, [*arguments], catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.output


def test_a_data_set_is_added_listed_offered_and_removed(database: Database, tmp_path: Path) -> None:
    path = str(tmp_path / "digits.npz")
    [ours, *_] = TeamService(database).all()
    told = run("add", "digits", path, "--teams", "ours", "--wait", "0")
    assert "no worker runs" in told
    [found] = json.loads(run("list", "--json"))
    assert (found["name"], found["location"], found["state"], found["teams"]) == ("digits", path, "stored", [ours.id])
    workers = WorkerService(database, Settings(data_dir=tmp_path / "service"))
    workers.report("w1", "host", ["cpu"], "1", WorkerState.IDLE, None)
    workers.report_datasets("w1", {found["id"]: "there is no such file"})
    [found] = json.loads(run("list", "--json"))
    assert found["unreadable_by"] == {"w1": "there is no such file"}
    assert "w1" in run("list")
    run("teams", "digits", "--all-teams")
    [found] = json.loads(run("list", "--json"))
    assert found["teams"] is None
    run("remove", "digits")
    assert json.loads(run("list", "--json")) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give --all-teams, or --teams"),
        (["--all-teams", "--teams", "ours"], "give --all-teams, or --teams"),
        (["--teams", "nobody"], "there is no team nobody"),
        (["--teams", "theirs"], "2 teams are called theirs; give the id"),
    ],
)
def test_it_is_clear_which_teams_are_meant(arguments: list[str], told: str, database: Database, tmp_path: Path) -> None:
    run("add", "digits", str(tmp_path / "digits.npz"), *arguments, "--wait", "0", status=WRONG_INPUT)
    assert json.loads(run("list", "--json")) == []


def test_the_page_s_commands_do_what_it_says(database: Database, tmp_path: Path) -> None:
    """docs/how-to/data-sets.md, with a file of this test."""
    for name in ("vision", "robotics"):
        TeamService(database).create_team(name)
    [block] = [block for block in blocks() if block.page == "docs/how-to/data-sets.md"]
    lines = [shlex.split(line) for line in commands(block.text)]
    assert all(line[:2] == ["primesvt", "datasets"] for line in lines)
    for line in lines:
        run(*(str(tmp_path / "digits.npz") if word.startswith("/srv/") else word for word in line[2:]))
    [left] = json.loads(run("list", "--json"))
    assert (left["name"], left["location"], left["teams"]) == ("events", "s3://data-sets/cifar10-dvs.zip", None)
