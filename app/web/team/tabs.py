"""Tabs of a team's pages: each user sees those that they may open."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from app.api.deps import require_scopes
from app.api.problem import status_of
from app.errors import DomainError
from app.teams.scopes import Scope
from app.web.rendering import HEADERS, page
from app.web.routing import PageRouter
from app.web.sessions import PageUser, SignedInUser

router = PageRouter("/team")


@dataclass(frozen=True)
class Tab:
    """One page of the team, and the scope that it needs."""

    title: str
    path: str
    scope: Scope


MEMBERS = Tab("Members", "/team/members", Scope.TEAM_READ)
KEYS = Tab("API keys", "/team/keys", Scope.TEAM_ADMIN)
WEBHOOKS = Tab("Webhooks", "/team/webhooks", Scope.WEBHOOKS_READ)
USAGE = Tab("Usage", "/team/usage", Scope.TEAM_READ)
AUDIT = Tab("Audit log", "/team/audit", Scope.TEAM_ADMIN)
SETTINGS = Tab("Settings", "/team/settings", Scope.TEAM_ADMIN)
TABS = (MEMBERS, KEYS, WEBHOOKS, USAGE, AUDIT, SETTINGS)


@router.get("")
def show_team(user: SignedInUser) -> Response:
    """Redirect to the first tab that the user may open."""
    tab = next((tab for tab in TABS if user.may(tab.scope)), MEMBERS)
    require_scopes(user.principal, [tab.scope])
    return RedirectResponse(tab.path, 303, HEADERS)


def team_page(
    request: Request, template: str, user: PageUser, tab: Tab, error: DomainError | None = None, /, **context: object
) -> Response:
    """One of the team's pages; ``error`` is why a form on it was refused."""
    return page(
        request,
        f"team/{template}",
        status_of(error) if error else 200,
        user=user,
        tab=tab.title,
        tabs=[tab for tab in TABS if user.may(tab.scope)],
        error=error,
        **context,
    )
