"""datasets on the command line, over the database of a data folder."""

from __future__ import annotations

import json
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
