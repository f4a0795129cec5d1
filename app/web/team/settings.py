"""A team's name, and how long it keeps its data."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from app.api.deps import Found
from app.errors import Invalid
from app.services import Services
from app.teams.scopes import Scope
from app.web.rendering import HEADERS
from app.web.routing import Pages
from app.web.sessions import Visitor, looks, sends_form
from app.web.team.tabs import SETTINGS, team_page
from primesvt_client.schemas.team import TeamPatch

router = Pages(SETTINGS.address)

WRONG = "a team has a name of up to 200 characters, and keeps data for 1 to 36,500 days, or for ever"


@router.get("")
def show_settings(request: Request, who: Annotated[Visitor, looks(Scope.TEAM_ADMIN)], found: Found) -> Response:
    """The form."""
    return _settings(request, who, found)


def _settings(request: Request, who: Visitor, found: Services, error: Invalid | None = None) -> Response:
    return team_page(request, "settings.html", who, SETTINGS, error, team=found.teams.get(who.team_id))


@router.post("")
def change(
    request: Request,
    who: Annotated[Visitor, sends_form(Scope.TEAM_ADMIN)],
    found: Found,
    name: Annotated[str, Form(max_length=1000)] = "",
    retention_days: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Keep the name and the days."""
    typed = retention_days.strip()
    try:
        days = int(typed) if typed else None
        asked = TeamPatch.model_validate({"name": name.strip(), "retention_days": days})
    except (ValueError, ValidationError):
        return _settings(request, who, found, Invalid(WRONG))
    found.teams.change(who.team_id, asked.model_dump(exclude_unset=True))
    return RedirectResponse(SETTINGS.address, 303, HEADERS)
