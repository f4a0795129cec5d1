"""People of a team who are signed in to the pages."""

from __future__ import annotations

from dataclasses import replace

from app.teams.records import Principal
from app.teams.scopes import Role
from tests.support.dashboard import Dashboard, Team
from tests.support.matrix import PASSWORD, joined


def person(board: Dashboard, team: Team, role: Role, email: str = "") -> Team:
    """Somebody of that role who is signed in."""
    email = email or f"{role}@example.org"
    joined(board, team.id, role, email)
    return signed_in(board, team, board.services.people.sign_in(email, PASSWORD))


def signed_in(board: Dashboard, team: Team, who: Principal) -> Team:
    return replace(team, session=board.services.sessions.open(replace(who, team_id=team.id)))
