"""One-time links."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import httpx

from app.api.cookies import SESSION_COOKIE
from app.teams.scopes import Role
from tests.support.browsing import codes, get, post
from tests.support.dashboard import Dashboard, Team
from tests.support.matrix import PASSWORD, joined

EMAIL = "ann@example.org"


def cookie_of(answer: httpx.Response) -> str:
    found = re.search(rf"{SESSION_COOKIE}=([\w-]+)", answer.headers["set-cookie"])
    assert found
    return found[1]


def invited(board: Dashboard, team: Team, role: Role = Role.MEMBER) -> str:
    return board.services.invitations.invite(team.id, EMAIL, role).path


def test_a_link_leads_into_the_team_once(board: Dashboard) -> None:
    team = board.team("the <b>team</b>")
    link = invited(board, team)
    for _ in range(2):  # programs that preview links look, too
        page = get(board, None, link)
        assert page.status_code == 200
        assert "the &lt;b&gt;team&lt;/b&gt;" in page.text
        assert EMAIL in page.text
    refused = post(board, None, link, {"password": "short", "name": "Ann"})
    assert refused.status_code == 422
    assert codes(refused.text) == ["weak_password"]
    answer = post(board, None, link, {"password": PASSWORD, "name": "Ann"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert get(board, replace(team, session=cookie_of(answer)), "/").status_code == 200
    assert get(board, None, link).status_code == 404
    assert post(board, None, link, {"password": PASSWORD}).status_code == 404
    assert get(board, None, "/join/guess").status_code == 404


def test_another_site_can_not_follow_a_link(board: Dashboard) -> None:
    team = board.team()
    answer = post(board, None, invited(board, team), {"password": PASSWORD}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert board.services.members.all(team.id) == []


def test_a_wrong_password_at_a_link_is_in_the_audit_log_and_counted(tmp_path: Path) -> None:
    board = Dashboard(tmp_path, sign_in_attempts=2)
    home = board.team("home")
    joined(board, home.id, Role.MEMBER, EMAIL)
    links = [invited(board, board.team("theirs")) for _ in range(2)]
    statuses = [post(board, None, link, {"password": "guess"}).status_code for link in (*links, *links)]
    assert statuses == [422, 422, 429, 429]  # another link gives no more attempts
    entries = board.services.audit.search(home.id, action="session.refuse").items
    assert [(one.details["email"], one.ip) for one in entries] == [(EMAIL, "127.0.0.1")] * 2
    board.close()
