"""What the pages of a team share: their tabs, of which everybody sees those that they may open."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from app.api.deps import permitted
from app.api.problem import status_of
from app.errors import DomainError
from app.teams.scopes import Scope
from app.web.rendering import HEADERS, page
from app.web.routing import Pages
from app.web.sessions import Looker, Visitor

router = Pages("/team")


@dataclass(frozen=True)
class Tab:
    """One page of the team, and what one must be allowed to do to see it."""

    title: str
    address: str
    scope: Scope


MEMBERS = Tab("Members", "/team/members", Scope.TEAM_READ)
KEYS = Tab("API keys", "/team/keys", Scope.TEAM_ADMIN)
WEBHOOKS = Tab("Webhooks", "/team/webhooks", Scope.WEBHOOKS_READ)
USAGE = Tab("Usage", "/team/usage", Scope.TEAM_READ)
AUDIT = Tab("Audit log", "/team/audit", Scope.TEAM_ADMIN)
SETTINGS = Tab("Settings", "/team/settings", Scope.TEAM_ADMIN)
TABS = (MEMBERS, KEYS, WEBHOOKS, USAGE, AUDIT, SETTINGS)


@router.get("")
def show_team(who: Looker) -> Response:
    """The first page of the team that somebody may open."""
    tab = next((tab for tab in TABS if who.may(tab.scope)), MEMBERS)
    permitted(who.principal, [tab.scope])
    return RedirectResponse(tab.address, 303, HEADERS)


def team_page(
    request: Request, template: str, who: Visitor, tab: Tab, error: DomainError | None = None, /, **context: object
) -> Response:
    """One of the team's pages; ``error`` is why what was asked on it was not done."""
    return page(
        request,
        f"team/{template}",
        status_of(error) if error else 200,
        visitor=who,
        tab=tab.title,
        tabs=[tab for tab in TABS if who.may(tab.scope)],
        problem=error.message if error else "",
        **context,
    )
