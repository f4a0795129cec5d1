"""One's own account: teams to choose from, the password, ending all sessions."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import httpx

from app.api.cookies import SESSION_COOKIE
from app.teams.scopes import Role
from tests.support.browsing import codes, get, post
from tests.support.dashboard import Dashboard, Team
from tests.support.matrix import PASSWORD
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
