"""Workers: their hosts, devices and jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response

from app.api.deps import Services
from app.teams.scopes import Scope
from app.web.rendering import is_fragment, page
from app.web.routing import PageRouter
from app.web.sessions import PageUser, page_access

router = PageRouter()


@router.get("/workers")
def show_workers(
    request: Request, user: Annotated[PageUser, page_access(Scope.JOBS_READ)], services: Services
) -> Response:
    """Workers by host; htmx gets only the rows."""
    workers = services.workers.seen_by(user.team_id)
    return page(request, "_workers.html" if is_fragment(request) else "workers.html", user=user, workers=workers)
