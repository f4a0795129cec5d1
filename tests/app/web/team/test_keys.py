"""API keys."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.db import now
from app.errors import InvalidKey
from app.teams.scopes import Role, Scope
from tests.support.browsing import attributes, codes, get, once, post
from tests.support.dashboard import Dashboard
from tests.support.people import person


def test_a_key_is_made_rotated_and_revoked(board: Dashboard) -> None:
    team = board.team()
    admin = person(board, team, Role.ADMIN)
    fields = {"name": " cluster ", "scopes": "jobs:read", "days": "30"}
    made = post(board, admin, "/team/keys", fields)
    secret = once(made.text)
    key = board.services.keys.authenticate(secret)
    assert key.scopes == {Scope.JOBS_READ}
    kept = board.services.keys.get(team.id, key.key_id or "")
    assert kept.name == "cluster"
    assert kept.expires_at is not None
    assert abs(kept.expires_at - now() - timedelta(days=30)) < timedelta(minutes=1)
    listed = get(board, admin, "/team/keys").text
    assert secret not in listed
    assert secret[: len("psvt_") + 26] in listed
    assert "admin@example.org" in listed
    rotated = once(post(board, admin, f"/team/keys/{kept.id}/rotate", {"hours": "24"}).text)
    assert board.services.keys.authenticate(rotated).scopes == board.services.keys.authenticate(secret).scopes
    again = post(board, admin, f"/team/keys/{kept.id}/rotate", {"hours": "24"})
    assert again.status_code == 409
    assert codes(again.text) == ["conflict"]
    assert post(board, admin, f"/team/keys/{kept.id}/revoke").headers["location"] == "/team/keys"
    with pytest.raises(InvalidKey):
        board.services.keys.authenticate(secret)


def test_a_key_without_name_or_scope_is_not_made(board: Dashboard) -> None:
    team = board.team()
    for fields in ({"name": "a"}, {"name": " ", "scopes": "jobs:read"}):
        refused = post(board, team, "/team/keys", fields)
        assert refused.status_code == 422
        assert codes(refused.text) == ["invalid"]
    assert len(board.services.keys.all(team.id)) == 1


def test_revoking_the_key_that_one_is_signed_in_with_signs_out(board: Dashboard) -> None:
    team = board.team()
    [key] = board.services.keys.all(team.id)
    assert attributes(get(board, team, "/team/keys").text, "data-current-key") == [key.id]
    post(board, team, f"/team/keys/{key.id}/revoke")
    assert get(board, team, "/team/keys").status_code == 303
