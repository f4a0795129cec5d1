"""The audit log."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from app.api.deps import Services
from app.teams.scopes import Scope
from app.web.labels import ACTIONS
from app.web.routing import PageRouter
from app.web.sessions import PageUser, page_access
from app.web.team.tabs import AUDIT, team_page

router = PageRouter(AUDIT.path)

ENTRIES_PER_PAGE = 50


@router.get("")
def show_audit(
    request: Request,
    user: Annotated[PageUser, page_access(Scope.TEAM_ADMIN)],
    services: Services,
    action: Annotated[str, Query(max_length=60)] = "",
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Entries of the audit log, newest first."""
    chosen = action if action in ACTIONS else ""
    listed = services.audit.search(user.team_id, cursor or None, ENTRIES_PER_PAGE, chosen)
    return team_page(
        request,
        "audit.html",
        user,
        AUDIT,
        entries=listed.items,
        action=chosen,
        actions=ACTIONS,
        first=_url(chosen, "") if cursor else "",
        next_page=_url(chosen, listed.next_cursor) if listed.next_cursor else "",
    )


def _url(action: str, cursor: str) -> str:
    query = {name: value for name, value in (("action", action), ("cursor", cursor)) if value}
    return f"{AUDIT.path}?{urlencode(query)}" if query else AUDIT.path
