"""A team's settings: name and retention period."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from app.api.deps import Services
from app.errors import Invalid
from app.teams.scopes import Scope
from app.web.rendering import HEADERS
from app.web.routing import PageRouter
from app.web.sessions import PageUser, form_access, page_access
from app.web.team.tabs import SETTINGS, team_page
from primesvt_client.schemas.team import TeamPatch

router = PageRouter(SETTINGS.path)

INVALID = "the name must have 1 to 200 characters, the retention period 1 to 36,500 days or none"


@router.get("")
def show_settings(
    request: Request, user: Annotated[PageUser, page_access(Scope.TEAM_ADMIN)], services: Services
) -> Response:
    """The form."""
    return _settings(request, user, services)


def _settings(request: Request, user: PageUser, services: Services, error: Invalid | None = None) -> Response:
    return team_page(request, "settings.html", user, SETTINGS, error, team=services.teams.get(user.team_id))


@router.post("")
def change(
    request: Request,
    user: Annotated[PageUser, form_access(Scope.TEAM_ADMIN)],
    services: Services,
    name: Annotated[str, Form(max_length=1000)] = "",
    retention_days: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Save the name and the retention period."""
    typed = retention_days.strip()
    try:
        days = int(typed) if typed else None
        patch = TeamPatch.model_validate({"name": name.strip(), "retention_days": days})
    except (ValueError, ValidationError):
        return _settings(request, user, services, Invalid(INVALID))
    services.teams.change(user.team_id, patch.model_dump(exclude_unset=True))
    return RedirectResponse(SETTINGS.path, 303, HEADERS)
