"""Sessions and scopes at the API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from app.api.cookies import SESSION_COOKIE
from app.api.deps import FORM_HEADER
from app.db import now
from app.teams.models import SessionRow
from app.teams.scopes import Role, Scope
from app.teams.sessions import PROOF_SECONDS, form_token
from tests.support.api import Api, problem
from tests.support.browsing import post
from tests.support.dashboard import Dashboard
from tests.support.matrix import joined
from tests.support.people import person

EMAIL = "ann@example.org"


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Dashboard]:
    board = Dashboard(tmp_path)
    yield board
    board.close()


def test_members_submit_and_do_not_administer(board: Dashboard) -> None:
    team = board.team()
    job = board.queued(team)
    member = person(board, team, Role.MEMBER)
    assert post(board, member, f"/jobs/{job.id}/cancel").status_code == 303
    api = Api(board, None)
    api.headers = {"Cookie": f"{SESSION_COOKIE}={member.session}"}
    assert api.get("/members").status_code == 200
    with problem(api.get("/keys"), 403, "insufficient_scope"):
        pass


def test_a_session_changes_things_by_the_api_only_with_its_form_token(board: Dashboard) -> None:
    team = board.team()
    job = board.queued(team)
    boss = person(board, team, Role.ADMIN)
    api = Api(board, None)
    api.headers = {"Cookie": f"{SESSION_COOKIE}={boss.session}"}
    assert api.get(f"/jobs/{job.id}").status_code == 200
    for token in ("", "guess", form_token("another session")):
        with problem(api.post(f"/jobs/{job.id}/cancel", headers={FORM_HEADER: token}), 401, "invalid_key") as refusal:
            assert "X-Form-Token" in refusal["detail"]
    assert api.post(f"/jobs/{job.id}/cancel", headers={FORM_HEADER: form_token(boss.session)}).status_code == 202
    [entry] = board.services.audit.search(team.id, action="job.cancel").items
    assert (entry.actor_kind, entry.actor_name, entry.ip) == ("user", "admin@example.org", "127.0.0.1")
    assert [one["name"] for one in api.get("/teams").json()] == ["default"]


def test_keys_and_people_do_not_hand_on_more_than_they_have(board: Dashboard) -> None:
    team = board.team()
    services = board.services
    narrow = services.keys.create(team.id, "narrow", {Scope.TEAM_ADMIN, Scope.TEAM_READ})
    api = Api(board, replace(team, secret=narrow.secret))
    refused: tuple[tuple[str, str, dict[str, object]], ...] = (
        ("post", "/keys", {"name": "a", "scopes": ["jobs:write"]}),
        ("post", "/invitations", {"email": EMAIL, "role": "admin"}),
        ("post", f"/keys/{services.keys.create(team.id, 'wide').id}/rotate", {}),
        ("patch", f"/members/{joined(board, team.id, Role.VIEWER)}", {"role": "admin"}),
    )
    for method, path, body in refused:
        with problem(api(method.upper(), "/api/v1" + path, json=body), 403, "insufficient_scope"):
            pass
    made = api.post("/keys", json={"name": "a", "scopes": ["team:read"]}).json()
    with problem(Api(board, replace(team, secret=made["secret"])).get("/jobs"), 403, "insufficient_scope"):
        pass
    assert made["secret"] not in str(api.get("/keys").json())


def test_a_session_hands_out_keys_and_roles_by_the_api_only_soon_after_its_owner_proved_who_they_are(
    board: Dashboard,
) -> None:
    team = board.team()
    boss, key = person(board, team, Role.ADMIN), board.services.keys.create(team.id, "a key")
    api = Api(board, None)
    api.headers = {"Cookie": f"{SESSION_COOKIE}={boss.session}", FORM_HEADER: form_token(boss.session)}
    member = joined(board, team.id, Role.VIEWER)
    asked: tuple[tuple[str, str, dict[str, object]], ...] = (
        ("POST", "/keys", {"name": "a", "scopes": ["jobs:write"]}),
        ("POST", f"/keys/{key.id}/rotate", {}),
        ("POST", "/invitations", {"email": EMAIL, "role": "admin"}),
        ("PATCH", f"/members/{member}", {"role": "admin"}),
    )
    with board.services.database.session() as session:
        session.execute(update(SessionRow).values(proven_at=now() - timedelta(seconds=PROOF_SECONDS)))
    for method, path, body in asked:
        with problem(api(method, "/api/v1" + path, json=body), 403, "proof_needed") as refusal:
            assert "/account/confirm" in refusal["detail"]
        assert Api(board, team)(method, "/api/v1" + path, json=body).is_success  # a key proves itself
    assert api.delete(f"/keys/{key.id}").status_code == 204


def test_caches_keep_nothing_of_the_api(board: Dashboard) -> None:
    team = board.team()
    job = board.succeeded(team)
    api = Api(board, team)
    for path in ("/jobs", f"/jobs/{job.id}", "/keys", "/members", "/plugins", f"/jobs/{job.id}/artifacts/report.json"):
        assert api.get(path).headers["cache-control"] == "no-store", path
    for refused in (api.get("/jobs/none"), Api(board, None).get("/jobs"), api.post("/keys", json={})):
        assert refused.headers["cache-control"] == "no-store"
