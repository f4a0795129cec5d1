"""The audit log, page by page."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from app.api.deps import Found
from app.teams.scopes import Scope
from app.web.routing import Pages
from app.web.sessions import Visitor, looks
from app.web.team.tabs import AUDIT, team_page
from app.web.words import ACTIONS

router = Pages(AUDIT.address)

ENTRIES_A_PAGE = 50


@router.get("")
def show_audit(
    request: Request,
    who: Annotated[Visitor, looks(Scope.TEAM_ADMIN)],
    found: Found,
    action: Annotated[str, Query(max_length=60)] = "",
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """What was done in the team, by whom and from where; newest first."""
    chosen = action if action in ACTIONS else ""
    listed = found.audit.search(who.team_id, cursor or None, ENTRIES_A_PAGE, chosen)
    return team_page(
        request,
        "audit.html",
        who,
        AUDIT,
        entries=listed.items,
        action=chosen,
        actions=ACTIONS,
        first=_address(chosen, "") if cursor else "",
        following=_address(chosen, listed.next_cursor) if listed.next_cursor else "",
    )


def _address(action: str, cursor: str) -> str:
    asked = {name: value for name, value in (("action", action), ("cursor", cursor)) if value}
    return f"{AUDIT.address}?{urlencode(asked)}" if asked else AUDIT.address
