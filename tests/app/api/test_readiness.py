"""Readiness: every part is asked for real, and one that hangs, fails or lies is found out in bounded time."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.api import readiness
from app.api.readiness import Readiness
from app.db import Database
from app.queue import CeleryNotifier
from app.services import assemble
from app.workers.records import WorkerState
from tests.support.api import Api
from tests.support.dashboard import Dashboard


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Dashboard]:
    found = Dashboard(tmp_path / "data")
    yield found
    found.close()


def test_an_older_schema_is_told_and_a_newer_one_is_an_upgrade_under_way(board: Dashboard) -> None:
    newest, *older = Database.known_revisions()
    assert older[-1] == "0001"
    for revision, expected in ((newest, True), (older[0], False), ("9999", True)):
        with board.services.database.session() as session:
            session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        report = readiness.readiness(board.services).check()
        assert report.is_ready is expected, report
    with board.services.database.session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": older[0]})
    answer = Api(board, None)("GET", "/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": False, "storage": True, "broker": True}
    assert newest in answer.json()["problems"]["database"]


def test_a_storage_that_cannot_be_written_to_is_told_and_nothing_is_left_in_one_that_can(board: Dashboard) -> None:
    store = board.settings.data_dir / "blobs"
    assert readiness.readiness(board.services).check().is_ready
    assert [path for path in store.rglob("*") if path.is_file()] == []
    shutil.rmtree(store)
    store.write_bytes(b"a file is in the way")
    assert readiness.readiness(board.services).check().problems["storage"]


def test_a_broker_that_is_away_is_told(board: Dashboard) -> None:
    settings = board.settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0"})
    away = assemble(settings, CeleryNotifier(settings.broker_url))
    try:
        problems = readiness.readiness(away).check().problems
        assert problems == {"database": "", "storage": "", "broker": readiness.NO_ANSWER}
    finally:
        away.database.engine.dispose()


def test_a_part_that_hangs_is_told_in_time_and_not_asked_again_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "SECONDS", 0.2)
    monkeypatch.setattr(readiness, "CACHE_SECONDS", 0.0)
    hanging, calls = threading.Event(), []

    def hang() -> str:
        calls.append(1)
        hanging.wait(30)
        return ""

    def fail() -> str:
        raise OSError("secret.host:5432")

    found = Readiness({"slow": hang, "broken": fail, "fine": str})
    began = time.monotonic()
    for _ in range(2):
        problems = found.check().problems
        assert problems == {"slow": "no answer within 0.2 s", "broken": "OSError", "fine": ""}
    assert time.monotonic() - began < 5
    assert calls == [1]
    hanging.set()
    while found.check().problems["slow"]:
        assert time.monotonic() - began < 20


def test_many_probes_ask_once_a_second() -> None:
    calls: list[int] = []

    def check() -> str:
        calls.append(1)
        return ""

    found = Readiness({"part": check})
    for _ in range(50):
        assert found.check().is_ready
    assert len(calls) == 1


def test_a_server_whose_storage_is_gone_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "CACHE_SECONDS", 0.0)
    board = Dashboard(tmp_path / "data")
    assert Api(board, None)("GET", "/readyz").status_code == 200
    (tmp_path / "data" / "blobs").rename(tmp_path / "gone")
    assert Api(board, None)("GET", "/readyz").status_code == 503
    board.close()


def test_promises_that_do_not_hold_on_a_workers_machine_are_named(board: Dashboard) -> None:
    workers = board.services.workers
    assert Api(board, None)("GET", "/readyz").json()["missing"] == []
    for name, missing in (("a", None), ("b", ["files", "writing"]), ("c", ["files"])):
        workers.report(name, "host", ("cpu",), "1", WorkerState.IDLE, None, missing)
    assert workers.missing_promises() == ["files", "writing"]
    report = readiness.readiness(board.services).check()
    assert (report.is_ready, list(report.missing)) == (True, ["files", "writing"])
    workers.leave("b")
    assert workers.missing_promises() == ["files"]
