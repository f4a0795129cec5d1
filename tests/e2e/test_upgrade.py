"""Upgrade and back-up of `docs/operations.md`, tried on folders that services of earlier versions have left."""

from __future__ import annotations

import hashlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from app.db import Database
from tests.e2e.test_service_folder import FIXTURES, FOLDERS, Old, with_key
from tests.support.api import Api
from tests.support.dashboard import Dashboard

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()
DATABASE = "primesvt.sqlite3"


@pytest.fixture(params=FOLDERS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Old:
    with tarfile.open(FIXTURES / f"{request.param}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return Old(tmp_path / request.param)


def revision(folder: Path) -> str:
    """The schema's version, as it stands in the file."""
    with closing(sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True)) as database:
        [(found,)] = database.execute("SELECT version_num FROM alembic_version").fetchall()
    return str(found)


def back_up(data: Path, target: Path) -> None:
    """What the document says, word by word, but for the names of the folders."""
    [commands] = re.findall(r"```sh\n(python -c .*?)```", DOCUMENT, re.DOTALL)
    commands = commands.replace("primesvt-data/", f"{data}/").replace("backup/", f"{target}/")
    target.mkdir()
    subprocess.run(["sh", "-ec", re.sub(r"^python", sys.executable, commands)], check=True)


def check(data: Path, old: Old) -> None:
    """The same key opens the same jobs, and every byte of the finished one's results is there."""
    facts = old.facts()
    board = Dashboard(data)
    api = Api(board, with_key(board, facts))
    assert {job["name"]: job["id"] for job in api.get("/jobs").json()["items"]} == facts["jobs"]
    for wanted in facts["artifacts"]:
        content = api.get(f"/jobs/{facts['jobs']['finished']}/artifacts/{wanted['name']}").content
        assert hashlib.sha256(content).hexdigest() == wanted["sha256"], wanted["name"]
    board.close()


def test_what_was_backed_up_before_an_upgrade_is_there_after_it_and_on_the_way_back(old: Old, tmp_path: Path) -> None:
    newest, before = Database.known_revisions()[0], revision(old.data)
    back_up(old.data, tmp_path / "backup")
    check(old.data, old)  # which upgrades it
    assert revision(old.data) == newest
    assert revision(tmp_path / "backup") == before  # for the version that made it
    assert before in Database.known_revisions()
    shutil.rmtree(old.data)
    shutil.copytree(tmp_path / "backup", old.data)
    check(old.data, old)
    assert revision(old.data) == newest


@pytest.mark.parametrize("old", FOLDERS[:1], indirect=True)  # the oldest
def test_migrations_alone_bring_an_old_folder_up_to_date_and_change_nothing_twice(old: Old) -> None:
    env = {"PRIMESVT_DATA_DIR": str(old.data), "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    for _ in range(2):
        told = subprocess.check_output([sys.executable, "-m", "migrations"], env=env, text=True)
        assert told == f"the schema has version {Database.known_revisions()[0]}\n"
    check(old.data, old)


@pytest.mark.parametrize("old", FOLDERS[:1], indirect=True)  # the oldest
def test_a_newer_schema_than_the_code_knows_is_not_served(old: Old) -> None:
    """An operator who went back without restoring the back-up is told so."""
    check(old.data, old)
    with closing(sqlite3.connect(old.data / DATABASE)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    done = subprocess.run(
        [sys.executable, "-m", "migrations"], capture_output=True, text=True, check=False,
        env={"PRIMESVT_DATA_DIR": str(old.data), "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "9999" in done.stderr
    assert "restore the back-up" in done.stderr
