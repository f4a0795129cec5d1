"""One's own account: teams to choose from, the password, ending all sessions."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
from sqlalchemy import update

from app.api.cookies import SESSION_COOKIE
from app.db import now
from app.teams.models import SessionRow
from app.teams.scopes import Role
from app.teams.sessions import PROOF_SECONDS
from tests.support.browsing import attributes, codes, get, post, text_of
from tests.support.dashboard import Dashboard, Team
from tests.support.matrix import PASSWORD, joined
from tests.support.people import person, signed_in

EMAIL = "ann@example.org"
NEW = "nine white geese sleep"


def in_two_teams(board: Dashboard) -> tuple[Team, Team]:
    first, second = board.team("first"), board.team("second <i>")
    ann = person(board, first, Role.MEMBER, EMAIL)
    link = board.services.invitations.invite(second.id, EMAIL, Role.VIEWER)
    board.services.invitations.use(link.token, PASSWORD)
    return ann, second


def session_after(answer: httpx.Response, team: Team) -> Team:
    found = re.search(rf"{SESSION_COOKIE}=([\w-]+)", answer.headers["set-cookie"])
    assert found
    return replace(team, session=found[1])


def test_who_is_in_several_teams_chooses_one_at_the_sign_in(board: Dashboard) -> None:
    ann, second = in_two_teams(board)
    answer = post(board, None, "/sign-in", {"email": EMAIL, "password": PASSWORD, "next": "/uploads"})
    assert answer.headers["location"] == "/account/teams?next=%2Fuploads"
    ann = session_after(answer, ann)
    choice = get(board, ann, answer.headers["location"]).text
    assert "second &lt;i&gt;" in choice
    chosen = post(board, ann, "/account/teams", {"team": second.id, "next": "/uploads"})
    assert chosen.headers["location"] == "/uploads"
    page = get(board, ann, "/uploads").text
    assert "second &lt;i&gt;" in page
    assert 'href="/new"' not in page  # they only look at this one


def test_nobody_gets_into_a_team_that_they_are_not_in(board: Dashboard) -> None:
    ann = person(board, board.team(), Role.ADMIN, EMAIL)
    other_team = board.team("strangers")
    assert post(board, ann, "/account/teams", {"team": other_team.id}).status_code == 404
    assert post(board, ann, "/account/teams", {"team": ann.id, "next": "//evil.example"}).headers["location"] == "/"
    assert "strangers" not in get(board, ann, "/account").text


def test_a_password_is_changed_by_who_knows_it_and_ends_other_sessions(board: Dashboard) -> None:
    team = board.team()
    ann = person(board, team, Role.VIEWER, EMAIL)
    elsewhere = signed_in(board, team, board.services.people.sign_in(EMAIL, PASSWORD))
    for password, new, code in (("guess", NEW, "wrong_password"), (PASSWORD, "short", "weak_password")):
        refused = post(board, ann, "/account/password", {"password": password, "new_password": new})
        assert refused.status_code == 422
        assert codes(refused.text) == [code]
    changed = post(board, ann, "/account/password", {"password": PASSWORD, "new_password": NEW})
    assert changed.headers["location"] == "/account"
    assert get(board, session_after(changed, ann), "/account").status_code == 200
    assert get(board, ann, "/account").status_code == get(board, elsewhere, "/account").status_code == 303
    assert board.services.people.sign_in(EMAIL, NEW).name == EMAIL


def test_guesses_at_the_old_password_are_counted_as_attempts_to_sign_in(tmp_path: Path) -> None:
    board = Dashboard(tmp_path, sign_in_attempts=2)
    ann = person(board, board.team(), Role.MEMBER, EMAIL)
    guess = {"password": "guess", "new_password": NEW}
    assert [post(board, ann, "/account/password", guess).status_code for _ in range(3)] == [422, 422, 429]
    board.close()


def test_all_sessions_end_at_once(board: Dashboard) -> None:
    team = board.team()
    ann = person(board, team, Role.VIEWER, EMAIL)
    elsewhere = signed_in(board, team, board.services.people.sign_in(EMAIL, PASSWORD))
    assert post(board, ann, "/account/sign-out-everywhere").headers["location"] == "/sign-in"
    assert get(board, ann, "/").status_code == get(board, elsewhere, "/").status_code == 303
    assert get(board, team, "/").status_code == 200  # the key's session is nobody's


def test_a_key_has_an_account_without_password_and_teams(board: Dashboard) -> None:
    team = board.team()
    page = get(board, team, "/account")
    assert "first key" in page.text
    assert 'type="password"' not in page.text
    assert get(board, team, "/account/teams").status_code == 403
    for address in ("/account/password", "/account/sign-out-everywhere", "/account/teams"):
        assert post(board, team, address, {"team": team.id}).status_code == 403


def test_sessions_are_shown_and_ended_one_by_one(board: Dashboard) -> None:
    team = board.team()
    ann = person(board, team, Role.VIEWER, EMAIL)
    agent = {"User-Agent": "Firefox <b>on</b> a shared computer"}
    there = session_after(post(board, None, "/sign-in", {"email": EMAIL, "password": PASSWORD}, headers=agent), ann)
    page = get(board, ann, "/account").text
    assert "Firefox &lt;b&gt;on&lt;/b&gt; a shared computer" in page
    other_id, own_id = attributes(page, "data-session")  # newest first
    assert "(this one)" in text_of(page, "data-session", own_id)
    assert "127.0.0.1" in text_of(page, "data-session", other_id)
    assert post(board, ann, f"/account/sessions/{other_id}/end", is_ours=False).status_code == 403
    bob = person(board, team, Role.ADMIN, "bob@example.org")
    assert post(board, bob, f"/account/sessions/{other_id}/end").status_code == 404
    assert post(board, ann, f"/account/sessions/{other_id}/end").headers["location"] == "/account"
    assert get(board, there, "/").status_code == 303
    assert get(board, ann, "/").status_code == 200
    assert post(board, ann, f"/account/sessions/{own_id}/end").headers["location"] == "/sign-in"
    assert get(board, ann, "/").status_code == 303


def let_pass(board: Dashboard, seconds: float = PROOF_SECONDS) -> None:
    """All sessions were begun that much earlier."""
    with board.services.database.session() as session:
        session.execute(update(SessionRow).values(proven_at=now() - timedelta(seconds=seconds)))


def test_keys_and_roles_are_handed_out_by_who_confirms_who_they_are(board: Dashboard) -> None:
    team = board.team()
    ann = person(board, team, Role.ADMIN, EMAIL)
    member = joined(board, team.id, Role.VIEWER, "other@example.org")
    key = board.services.keys.create(team.id, "a key")
    forms = (
        ("/team/keys", {"name": "new", "scopes": "jobs:read"}),
        (f"/team/keys/{key.id}/rotate", {"hours": "0"}),
        ("/team/members/invite", {"email": "new@example.org", "role": "admin"}),
        (f"/team/members/{member}/role", {"role": "admin"}),
    )
    let_pass(board)
    before = len(board.services.keys.all(team.id))
    for address, fields in forms:
        answer = post(board, ann, address, fields, headers={"Referer": "http://server/team/keys"})
        assert answer.headers["location"] == "/account/confirm?next=%2Fteam%2Fkeys", address
    assert len(board.services.keys.all(team.id)) == before
    assert "/account/confirm?next=/team/keys" in get(board, ann, "/team/keys").text
    assert get(board, ann, "/account/confirm?next=/team/keys").status_code == 200
    wrong = post(board, ann, "/account/confirm", {"secret": "guess", "next": "/team/keys"})
    assert (wrong.status_code, codes(wrong.text)) == (422, ["wrong_password"])
    assert post(board, ann, *forms[0]).status_code == 303
    confirmed = post(board, ann, "/account/confirm", {"secret": PASSWORD, "next": "/team/keys"})
    assert confirmed.headers["location"] == "/team/keys"
    for address, fields in forms:
        assert post(board, ann, address, fields).headers.get("location", "") in ("", "/team/members"), address
    assert len(board.services.keys.all(team.id)) == before + 2
    assert "data-proof" not in get(board, ann, "/team/keys").text


def test_what_takes_access_away_needs_no_confirmation(board: Dashboard) -> None:
    team = board.team()
    ann = person(board, team, Role.ADMIN, EMAIL)
    member, key = joined(board, team.id, Role.ADMIN, "other@example.org"), board.services.keys.create(team.id, "a key")
    let_pass(board)
    assert post(board, ann, f"/team/keys/{key.id}/revoke").headers["location"] == "/team/keys"
    assert post(board, ann, f"/team/members/{member}/remove").headers["location"] == "/team/members"


def test_the_session_of_a_key_confirms_with_that_key(board: Dashboard) -> None:
    team = board.team()
    other = board.services.keys.create(team.id, "another").secret
    let_pass(board)
    assert post(board, team, "/team/keys", {"name": "new", "scopes": "jobs:read"}).status_code == 303
    assert codes(post(board, team, "/account/confirm", {"secret": other}).text) == ["invalid_key"]
    assert post(board, team, "/account/confirm", {"secret": f" {team.secret} "}).headers["location"] == "/"
    assert post(board, team, "/team/keys", {"name": "new", "scopes": "jobs:read"}).status_code == 200


def test_guesses_at_the_confirmation_are_counted(tmp_path: Path) -> None:
    board = Dashboard(tmp_path, sign_in_attempts=2)
    ann = person(board, board.team(), Role.ADMIN, EMAIL)
    statuses = [post(board, ann, "/account/confirm", {"secret": "guess"}).status_code for _ in range(3)]
    assert statuses == [422, 422, 429]
    assert board.services.audit.search(ann.id, action="session.refuse").items
    board.close()
