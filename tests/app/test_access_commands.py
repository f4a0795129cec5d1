"""teams, members and keys on the command line, over the database of a data folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.commands import keys, members, teams
from app.db import Database, connect
from app.settings import Settings
from app.teams.audit import AuditLog
from app.teams.invitations import InvitationService
from app.teams.keys import KeyService
from app.teams.people import PeopleService
from app.teams.scopes import Role, Scope
from app.teams.service import TeamService
from tests.support.matrix import PASSWORD

EMAIL = "ann@example.org"
WRONG_INPUT = 2


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
