"""teams, members and keys on the command line, over the database of a data folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from app.commands import keys, members, teams
from app.db import Database, connect
from app.embedded.folder_lock import locked
from app.settings import Settings
from app.teams.audit import AuditLog
from app.teams.invitations import InvitationService
from app.teams.keys import KeyService
from app.teams.people import PeopleService
from app.teams.scopes import Role, Scope
from app.teams.service import TeamService
from primesvt_client.commands.api_options import DEFAULT_SERVER, SERVER_VARIABLE
from tests.support.commands import primesvt
from tests.support.matrix import PASSWORD

EMAIL = "ann@example.org"
FAILED, WRONG_INPUT = 1, 2


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PRIMESVT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PRIMESVT_PUBLIC_URL", "https://primesvt.example.org")
    found = connect(Settings(data_dir=tmp_path).database)
    found.migrate()
    TeamService(found).create_team("default")
    yield found
    found.engine.dispose()


def run(noun: Any, *arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(noun.commands, [*arguments], catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.stdout


def test_a_first_admin_is_invited_joins_and_is_kept(database: Database) -> None:
    made = json.loads(run(members, "add", EMAIL, "--role", "admin", "--json"))
    assert made["link"].startswith("https://primesvt.example.org/join/")
    InvitationService(database).use(made["link"].rsplit("/", 1)[1], PASSWORD)
    assert PeopleService(database).sign_in(EMAIL, PASSWORD).scopes == Role.ADMIN.scopes
    [member] = json.loads(run(members, "list", "--json"))
    assert (member["email"], member["team"], member["role"]) == (EMAIL, "default", "admin")
    run(members, "role", EMAIL, "viewer", status=WRONG_INPUT)
    run(members, "remove", EMAIL, status=WRONG_INPUT)
    assert EMAIL in run(members, "list")
    link = run(members, "password", EMAIL).strip()
    InvitationService(database).use(link.rsplit("/", 1)[1], PASSWORD + " more")
    run(members, "password", "nobody@example.org", status=WRONG_INPUT)
    team = TeamService(database).id_of("default")
    invited = next(entry for entry in AuditLog(database).search(team).items if entry.action == "member.invite")
    assert (invited.actor_kind, invited.ip) == ("operator", None)


def test_a_link_that_may_lead_elsewhere_says_so(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PRIMESVT_PUBLIC_URL")
    monkeypatch.delenv(SERVER_VARIABLE, raising=False)
    made = CliRunner().invoke(members.commands, ["add", EMAIL, "--json"], catch_exceptions=False)
    assert json.loads(made.stdout)["link"].startswith(f"{DEFAULT_SERVER}/join/")
    assert {"PRIMESVT_PUBLIC_URL", SERVER_VARIABLE} <= {*re.findall(r"\w+", made.stderr)}
    with locked(tmp_path) as listens:
        listens("http://127.0.0.1:8123")
        made = CliRunner().invoke(members.commands, ["add", "bob@example.org", "--json"], catch_exceptions=False)
    assert json.loads(made.stdout)["link"].startswith("http://127.0.0.1:8123/join/")
    assert SERVER_VARIABLE not in made.stderr


def test_members_are_changed_and_removed(database: Database) -> None:
    for email, role in ((EMAIL, "admin"), ("bob@example.org", "member")):
        made = json.loads(run(members, "add", email, "--role", role, "--json"))
        InvitationService(database).use(made["link"].rsplit("/", 1)[1], PASSWORD)
    run(members, "role", "bob@example.org", "admin")
    run(members, "role", EMAIL, "viewer")
    run(members, "remove", EMAIL)
    assert [one["email"] for one in json.loads(run(members, "list", "--json"))] == ["bob@example.org"]
    run(members, "remove", EMAIL, status=WRONG_INPUT)
    run(members, "add", EMAIL, "--team", "nobody's", status=WRONG_INPUT)


def test_keys_have_scopes_expire_and_are_rotated(database: Database) -> None:
    made = json.loads(run(keys, "create", "ci", "--scope", "jobs:read", "--days", "1", "--json"))
    service = KeyService(database)
    assert service.authenticate(made["api_key"]).scopes == {Scope.JOBS_READ}
    successor = json.loads(run(keys, "rotate", made["id"], "--grace-hours", "1", "--json"))
    assert service.authenticate(successor["api_key"]).scopes == {Scope.JOBS_READ}
    assert service.authenticate(made["api_key"])
    run(keys, "revoke", made["id"])
    found = {key["id"]: key for key in json.loads(run(keys, "list", "--json"))}
    assert (found[made["id"]]["state"], found[successor["id"]]["state"]) == ("revoked", "live")
    assert found[made["id"]]["expires_at"]
    assert made["id"] in run(keys, "list")
    run(keys, "revoke", "key_none", status=WRONG_INPUT)
    run(keys, "rotate", made["id"], status=WRONG_INPUT)
    run(keys, "create", "ci", "--days", "1000000000", status=WRONG_INPUT)
    run(keys, "rotate", successor["id"], "--grace-hours", "nan", status=WRONG_INPUT)


def test_a_team_gets_quotas_of_its_own(database: Database) -> None:
    made = json.loads(run(teams, "create", "research", "--json"))
    assert KeyService(database).authenticate(made["api_key"]).team_id == made["team_id"]
    run(teams, "create", "research", status=WRONG_INPUT)
    run(teams, "quota", "research", "--storage-bytes", "1000", "--gpu-minutes", "unlimited")
    found = next(one for one in json.loads(run(teams, "list", "--json")) if one["name"] == "research")
    assert (found["quotas"]["storage_bytes"], found["quotas"]["gpu_minutes"]) == (1000, None)
    assert "0 of 1,000" in " ".join(run(teams, "list").split())
    run(teams, "quota", "research", "--reset")
    found = next(one for one in json.loads(run(teams, "list", "--json")) if one["name"] == "research")
    assert found["quotas"]["storage_bytes"] is None
    run(teams, "quota", "research", "--storage-bytes", "-1", status=WRONG_INPUT)
    for most in ("9" * 16, "9" * 400, "9" * 5000):
        run(teams, "quota", "research", "--storage-bytes", most, status=WRONG_INPUT)
    run(teams, "quota", "nobody's", "--reset", status=WRONG_INPUT)


@pytest.mark.parametrize("name", ["a?b", "a#b", "a%20b", "a b", "\udcff"])
def test_the_database_lies_in_the_data_folder_whatever_its_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PRIMESVT_DATABASE_URL", raising=False)
    run(keys, "create", "--data-dir", str(tmp_path / name))
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()] == [
        Path(name, "primesvt.sqlite3")
    ]


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("postgresql+psycopg://me:secret@127.0.0.1:1/x", FAILED),
        ("postgresql+psycopg://me:secret@127.0.0.1:secret/x", WRONG_INPUT),
        ("nothing:secret", WRONG_INPUT),
        ("sqlite://secret/x", WRONG_INPUT),
        ("nosuch://secret/x", WRONG_INPUT),
    ],
)
def test_a_database_that_cannot_be_used_is_told(url: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMESVT_DATABASE_URL", url)
    done = primesvt("keys", "list")
    assert (done.returncode, "error [database_unusable]" in done.stderr) == (status, True)
    assert "PRIMESVT_DATABASE_URL" in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize("name", ["data", "\udcff"])
@pytest.mark.parametrize("command", [("keys", "list"), ("serve", "--port", "0")])
def test_a_damaged_database_is_told(command: tuple[str, ...], name: str, tmp_path: Path) -> None:
    file = tmp_path / name / "primesvt.sqlite3"
    file.parent.mkdir()
    file.write_bytes(b"no database " * 100)
    done = primesvt(*command, "--data-dir", file.parent)
    assert (done.returncode, "error [database_unusable]" in done.stderr) == (FAILED, True)
    assert str(file) in done.stderr


def test_a_database_of_a_version_that_is_not_known_is_told(database: Database, tmp_path: Path) -> None:
    with database.session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    done = primesvt("keys", "list", "--data-dir", tmp_path)
    assert (done.returncode, "9999" in done.stderr) == (FAILED, True)
    assert "use the newer PrimeSVT" in done.stderr


@pytest.mark.parametrize("command", [("keys", "list"), ("serve", "--port", "0")])
def test_the_variable_that_is_wrong_is_told(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIMESVT_PART_BYTES", "x")
    monkeypatch.setenv("PRIMESVT_LEASE_SECONDS", "inf")
    done = primesvt(*command, "--data-dir", tmp_path)
    assert (done.returncode, "error [invalid_settings]" in done.stderr) == (WRONG_INPUT, True)
    assert "PRIMESVT_PART_BYTES: " in done.stderr
    assert "PRIMESVT_LEASE_SECONDS: " in done.stderr


@pytest.mark.parametrize("command", [("keys", "list"), ("serve", "--port", "0")])
def test_a_folder_in_the_home_of_nobody_is_told(command: tuple[str, ...]) -> None:
    done = primesvt(*command, "--data-dir", "~nobody-of-that-name/data")
    assert (done.returncode, "error [invalid_settings]" in done.stderr) == (WRONG_INPUT, True)
    assert "~nobody-of-that-name/data" in done.stderr


@pytest.mark.usefixtures("database")
def test_words_that_are_no_text_are_told() -> None:
    done = primesvt("keys", "create", "--team", "\udcff")
    assert (done.returncode, "error [no_text] '\\udcff'" in done.stderr) == (WRONG_INPUT, True)
