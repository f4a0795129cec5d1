"""The schema of the migrations is that of the models, there and back, on every database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from app.db import MIGRATIONS, Base, Database, connect
from app.teams.scopes import ALL_SCOPES
from app.teams.service import TeamService
from tests.support.dashboard import Dashboard  # noqa: F401  # with every model of the service
from tests.support.databases import KINDS, fresh_url


@pytest.fixture(params=KINDS)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_url(request.param, tmp_path) as url:
        database = connect(url)
        yield database
        database.engine.dispose()


def move(database: Database, revision: str, *, up: bool) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        (command.upgrade if up else command.downgrade)(config, revision)


def test_migrations_lead_to_the_models_and_back(empty: Database) -> None:
    for _ in range(2):
        move(empty, "head", up=True)
        with empty.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        move(empty, "base", up=False)
        assert set(inspect(empty.engine).get_table_names()) <= {"alembic_version"}


def test_migrations_that_fail_in_the_middle_leave_nothing_behind(empty: Database) -> None:
    with empty.engine.begin() as connection:
        connection.execute(text("CREATE TABLE contents (in_the_way INTEGER)"))
    with pytest.raises(DBAPIError, match="contents"):
        empty.migrate()
    assert empty.revision() is None
    assert set(inspect(empty.engine).get_table_names()) == {"contents"}


def test_keys_of_the_first_version_may_do_what_they_could_and_survive_a_downgrade(empty: Database) -> None:
    move(empty, "0001", up=True)
    with empty.engine.begin() as connection:
        connection.execute(text("INSERT INTO teams VALUES ('team_1', 'ours', '2026-01-01')"))
        known = "INSERT INTO api_keys VALUES ('key_1', 'team_1', 'first', 'abc', '2026-01-01', NULL)"
        connection.execute(text(known))
    move(empty, "0002", up=True)
    with empty.engine.connect() as connection:
        scopes = connection.execute(text("SELECT scopes FROM api_keys")).scalar_one()
    assert all(scope.value in str(scopes) for scope in ALL_SCOPES)
    move(empty, "0001", up=False)
    with empty.engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM api_keys")).scalar_one() == "first"


def test_uploads_keep_their_bytes_and_those_being_sent_expire(empty: Database) -> None:
    move(empty, "0003", up=True)
    team = "INSERT INTO teams (id, name, created_at, quotas) VALUES ('team_1', 'a', '2026-01-01', '{}')"
    row = (
        "INSERT INTO uploads (id, team_id, kind, name, state, size_bytes, sha256, part_bytes, created_at, updated_at,"
        " epoch, attempts) VALUES (:id, 'team_1', 'checkpoint', 'a', :state, 3, 'AB', 3, '2026-01-01', '2026-01-01', 0,"
        " 0)"
    )
    with empty.engine.begin() as connection:
        connection.execute(text(team))
        for state in ("ready", "stored", "uploading"):
            connection.execute(text(row), {"id": f"upl_{state}", "state": state})
    move(empty, "0004", up=True)
    with empty.engine.connect() as connection:
        joined = (
            "SELECT uploads.id, blob_key, contents.sha256, draft FROM uploads JOIN contents ON content_id = contents.id"
        )
        assert {tuple(found) for found in connection.execute(text(joined))} == {
            ("upl_ready", "uploads/upl_ready", "ab", None), ("upl_stored", "uploads/upl_stored", "ab", None),
        }  # fmt: skip
    assert states(empty) == {"upl_ready": "ready", "upl_stored": "stored", "upl_uploading": "expired"}
    with empty.engine.begin() as connection:  # which the earlier version would look for in vain
        connection.execute(text("UPDATE contents SET blob_key = 'uploads/upl_other' WHERE id = 'upl_stored'"))
    move(empty, "0003", up=False)
    assert states(empty) == {"upl_ready": "ready", "upl_stored": "expired", "upl_uploading": "expired"}


def states(database: Database) -> dict[str, str]:
    with database.engine.connect() as connection:
        return {found.id: found.state for found in connection.execute(text("SELECT id, state FROM uploads"))}


def test_the_database_refuses_to_change_the_audit_log(empty: Database) -> None:
    empty.migrate()
    TeamService(empty).create_team("ours")
    for statement in ("UPDATE audit_log SET action = 'z'", "DELETE FROM audit_log"):
        with pytest.raises(Exception, match="only ever added to"), empty.engine.begin() as connection:
            connection.execute(text(statement))
    with empty.engine.connect() as connection:
        assert connection.execute(text("SELECT action FROM audit_log")).scalars().all() == ["team.create", "key.create"]
