"""The service's part of ``primesvt doctor``."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.commands.diagnosing import findings
from app.db import connect
from app.queue import CeleryNotifier
from app.settings import Settings
from app.storage import StorageMarker, store_of
from primesvt_core.diagnosis import State


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DATABASE_URL", "STORAGE_URL", "BROKER_URL"):
        monkeypatch.delenv(f"PRIMESVT_{name}", raising=False)
    monkeypatch.setenv("PRIMESVT_DATA_DIR", str(tmp_path))


def test_where_no_service_is_it_says_so_and_makes_nothing(tmp_path: Path) -> None:
    [only] = findings()
    assert (only.part, only.state) == ("service", State.NOTED)
    assert [*tmp_path.iterdir()] == []


def test_wrong_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMESVT_LEASE_SECONDS", "many")
    [only] = findings()
    assert (only.part, only.state) == ("settings", State.BAD)
    assert "PRIMESVT_LEASE_SECONDS" in only.detail


def test_a_service_of_one_machine_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CeleryNotifier, "is_ready", lambda _self: False)
    settings = Settings(data_dir=tmp_path)
    database = connect(settings.database)
    database.migrate()
    StorageMarker(database, store_of(settings)).place()
    database.engine.dispose()
    found = {finding.part: finding for finding in findings()}
    assert found["database"].state is State.GOOD
    assert found["broker"].state is State.NOTED
    assert (found["storage"].state, "the database knows" in found["storage"].detail) == (State.GOOD, True)
    monkeypatch.setenv("PRIMESVT_BROKER_URL", "redis://127.0.0.1:6379/0")
    assert {finding.part: finding.state for finding in findings()}["broker"] is State.BAD
    assert str(tmp_path) not in found["database"].detail


def test_an_older_schema_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "primesvt.sqlite3").touch()
    found = {finding.part: finding for finding in findings()}
    assert found["database"].state is State.BAD
    assert "run the migrations" in found["database"].detail
