"""API keys over HTTP."""

from __future__ import annotations

from app.teams.scopes import Role
from tests.support.api import Api, problem
from tests.support.dashboard import Dashboard, Team
from tests.support.matrix import joined


def test_a_key_may_expire_at_the_end_of_the_calendar(api: Api) -> None:
    asked = {"name": "for ever", "scopes": ["jobs:read"], "expires_at": "9999-12-31T23:59:59-12:00"}
    made = api.post("/keys", json=asked)
    assert made.status_code == 201
    [expires_at] = [key["expires_at"] for key in api.get("/keys").json() if key["name"] == asked["name"]]
    assert expires_at.startswith("9999-12-30")
    with problem(api.post("/keys", json={**asked, "expires_at": "0001-01-01T00:00:00+14:00"}), 422, "invalid"):
        pass
    for wrong in ("4000000000", 4_000_000_000, "2999-01-01", "2999-01-01T00:00:00", True):
        with problem(api.post("/keys", json={**asked, "expires_at": wrong}), 422, "invalid_request"):
            pass


def test_a_revoked_key_opens_nothing(board: Dashboard) -> None:
    team = board.team("short-lived")
    asked = Api(board, team)
    assert asked.get("/jobs").status_code == 200
    board.services.keys.revoke(team.id, board.services.keys.authenticate(team.secret).key_id or "")
    with problem(asked.get("/jobs"), 401, "invalid_key"):
        pass


def test_keys_of_one_maker_are_listed(board: Dashboard, api: Api, ours: Team) -> None:
    user = joined(board, ours.id, Role.ADMIN, "maker@example.org")
    key = board.services.keys.create(ours.id, "theirs", created_by=user)
    assert [one["id"] for one in api.get("/keys", params={"created_by": user}).json()] == [key.id]
    assert api.get("/keys", params={"created_by": "usr_01k2v8r5k7m9n1p3q5r7s9t1v3"}).json() == []
    with problem(api.get("/keys", params={"created_by": "'"}), 422, "invalid_request"):
        pass
