"""The database connection."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from app.db import connect, is_away, is_full
from tests.support.databases import KINDS, fresh_url

SECRET = "whsec_only_once_told"


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_statement_does_not_tell_what_it_would_have_written(kind: str, tmp_path: Path) -> None:
    with fresh_url(kind, tmp_path) as url:
        database = connect(url)
        with pytest.raises(DBAPIError) as failure, database.session() as session:
            session.execute(text("INSERT INTO nowhere VALUES (:secret)"), {"secret": SECRET})
        assert "nowhere" in str(failure.value)
        assert SECRET not in str(failure.value)
        database.engine.dispose()


def test_a_locked_file_is_away_and_a_missing_table_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.db.BUSY_SECONDS", 0.1)
    database, other = (connect(f"sqlite:///{tmp_path / 'one.sqlite3'}") for _ in range(2))
    with database.session() as session:
        session.execute(text("SELECT 1"))  # a transaction begins with its first statement
        with pytest.raises(OperationalError) as locked, other.session() as waiting:
            waiting.execute(text("SELECT 1"))
    with pytest.raises(OperationalError) as missing, database.session() as session:
        session.execute(text("SELECT * FROM nowhere"))
    assert (is_away(locked.value), is_away(missing.value)) == (True, False)
    for one in (database, other):
        one.engine.dispose()


def test_a_server_that_does_not_answer_is_away_and_so_is_one_that_shuts_down(tmp_path: Path) -> None:
    nobody = connect("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with pytest.raises(OperationalError) as refused, nobody.session() as session:
        session.execute(text("SELECT 1"))
    with fresh_url("postgresql", tmp_path) as url:
        database = connect(url)
        with pytest.raises(DBAPIError) as ended, database.session() as session:
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        with pytest.raises(DBAPIError) as missing, database.session() as session:
            session.execute(text("SELECT * FROM nowhere"))
        database.engine.dispose()
    nobody.engine.dispose()
    assert [is_away(one.value) for one in (refused, ended, missing)] == [True, True, False]


def test_a_full_disk_is_told_from_a_database_that_is_away(tmp_path: Path) -> None:
    database = connect(f"sqlite:///{tmp_path / 'full.sqlite3'}")
    with database.session() as session:
        session.execute(text("PRAGMA max_page_count = 2"))
        with pytest.raises(OperationalError) as failure:
            session.execute(text("CREATE TABLE large AS SELECT hex(zeroblob(100000)) AS value"))
    assert (is_full(failure.value), is_away(failure.value)) == (True, False)
    database.engine.dispose()
