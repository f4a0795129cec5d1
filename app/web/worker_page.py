"""Workers: who is there, and what they do."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response

from app.api.deps import Found
from app.teams.scopes import Scope
from app.web.rendering import is_fragment, page
from app.web.routing import Pages
from app.web.sessions import Visitor, looks

router = Pages()


@router.get("/workers")
def show_workers(request: Request, who: Annotated[Visitor, looks(Scope.JOBS_READ)], found: Found) -> Response:
    """Workers by host; htmx gets the rows alone."""
    workers = found.workers.seen_by(who.team_id)
    return page(request, "_workers.html" if is_fragment(request) else "workers.html", visitor=who, workers=workers)
