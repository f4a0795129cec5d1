"""Members and invitations."""

from __future__ import annotations

import pytest

from app.teams.scopes import Role, Scope
from app.web.labels import SCOPES
from tests.support.browsing import attributes, codes, forms_of, get, once, post, text_of
from tests.support.dashboard import Dashboard
from tests.support.matrix import World, joined
from tests.support.people import person, signed_in


def test_an_invitation_is_shown_once_and_leads_into_the_team(board: Dashboard) -> None:
    admin = person(board, board.team(), Role.ADMIN)
    made = post(board, admin, "/team/members/invite", {"email": "New@Example.org", "role": "member"})
    link = once(made.text)
    assert link.startswith("http://server/join/")
    assert made.headers["cache-control"] == "no-store"
    assert get(board, None, link).status_code == 200
    listed = get(board, admin, "/team/members").text
    assert "new@example.org" in listed
    assert "/join/" not in listed
    [invitation] = board.services.invitations.all(admin.id)
    post(board, admin, f"/team/members/invitations/{invitation.id}/withdraw")
    assert get(board, None, link).status_code == 404
    assert "withdrawn" in attributes(get(board, admin, "/team/members").text, "data-state")


def test_the_form_says_what_each_role_may_do(board: Dashboard) -> None:
    text = get(board, person(board, board.team(), Role.ADMIN), "/team/members").text
    told = {role: text_of(text, "data-may", role.value) for role in Role}
    for scope in Scope:
        least = next(role for role in Role if scope in role.scopes)
        assert [role for role in Role if SCOPES[scope] in told[role]] == [least], scope


@pytest.mark.parametrize(
    ("email", "status", "code"), [("nonsense", 422, "invalid"), ("admin@example.org", 409, "conflict")]
)
def test_an_invitation_that_can_not_be_is_told(board: Dashboard, email: str, status: int, code: str) -> None:
    admin = person(board, board.team(), Role.ADMIN)
    refused = post(board, admin, "/team/members/invite", {"email": email, "role": "member"})
    assert refused.status_code == status
    assert codes(refused.text) == [code]
    assert f'value="{email}"' in refused.text


def test_roles_change_and_members_go_but_an_admin_stays(board: Dashboard) -> None:
    team = board.team()
    admin = person(board, team, Role.ADMIN)
    other = joined(board, team.id, Role.MEMBER, "other@example.org")
    me = next(one.user_id for one in board.services.members.all(team.id) if one.email == "admin@example.org")
    for form in ("role", "remove"):
        refused = post(board, admin, f"/team/members/{me}/{form}", {"role": "viewer"})
        assert refused.status_code == 409
        assert codes(refused.text) == ["last_admin"]
    assert f"/team/members/{me}/remove" not in get(board, admin, "/team/members").text
    post(board, admin, f"/team/members/{other}/role", {"role": "admin"})
    assert f"/team/members/{me}/remove" in get(board, admin, "/team/members").text
    post(board, admin, f"/team/members/{other}/remove")
    assert [one.email for one in board.services.members.all(team.id)] == ["admin@example.org"]


def test_nobody_hands_on_more_than_they_have(board: Dashboard) -> None:
    team = board.team()
    secret = board.services.keys.create(team.id, "narrow", {Scope.TEAM_ADMIN, Scope.TEAM_READ}).secret
    narrow = signed_in(board, team, board.services.keys.authenticate(secret))
    wide, viewer = World(board, team).key(), joined(board, team.id, Role.VIEWER)
    for address, fields in (
        ("/team/members/invite", {"email": "a@example.org", "role": "admin"}),
        (f"/team/members/{viewer}/role", {"role": "member"}),
        ("/team/keys", {"name": "a", "scopes": "jobs:write"}),
        (f"/team/keys/{wide}/rotate", {"hours": "0"}),
    ):
        assert post(board, narrow, address, fields).status_code == 403, address
    assert 'value="jobs:write"' not in get(board, narrow, "/team/keys").text


def test_keys_of_who_was_removed_are_shown_for_revocation(board: Dashboard) -> None:
    team = board.team()
    admin = person(board, team, Role.ADMIN)
    other = joined(board, team.id, Role.ADMIN, "other@example.org")
    key = board.services.keys.create(team.id, "nightly <b>", created_by=other)
    page = post(board, admin, f"/team/members/{other}/remove")
    assert page.status_code == 200
    assert "nightly <b>" in text_of(page.text, "data-left-key", key.id)
    assert f"/team/keys/{key.id}/revoke" in forms_of(page.text)
    post(board, admin, f"/team/keys/{key.id}/revoke")
    assert board.services.keys.get(team.id, key.id).revoked_at is not None
