"""One-time links."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx

from app.api.cookies import SESSION_COOKIE
from app.teams.scopes import Role
from tests.support.browsing import codes, get, post
from tests.support.dashboard import Dashboard, Team
from tests.support.matrix import PASSWORD

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
