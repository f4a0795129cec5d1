"""Teams: those of the caller, and what the current one may and does use."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from app.api.bodies import BoundedRoute
from app.api.deps import Caller, Found, needs
from app.api.problem import responses
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.team import TeamPatch, TeamView, UsageView

router = APIRouter(prefix="/api/v1", tags=["teams"], responses=responses(422), route_class=BoundedRoute)

Reader = Annotated[Principal, needs(Scope.TEAM_READ)]
Admin = Annotated[Principal, needs(Scope.TEAM_ADMIN)]


@router.get("/teams")
def list_teams(caller: Caller, found: Found) -> list[TeamView]:
    """The teams that the caller is in; of a key the one that it belongs to."""
    if caller.user_id is None:
        return [TeamView.model_validate(found.teams.get(caller.team_id))]
    return [TeamView.model_validate(one.team) for one in found.members.teams_of(caller.user_id)]


@router.get("/team")
def get_team(caller: Reader, found: Found) -> TeamView:
    """The team that the caller asks for."""
    return TeamView.model_validate(found.teams.get(caller.team_id))


@router.patch("/team")
def change_team(body: TeamPatch, caller: Admin, found: Found) -> TeamView:
    """Change the team's name, or how long it keeps data."""
    return TeamView.model_validate(found.teams.change(caller.team_id, body.model_dump(exclude_unset=True)))


@router.get("/usage")
def get_usage(caller: Reader, found: Found) -> UsageView:
    """What the team uses, and what it may use."""
    used = found.quotas.usage(caller.team_id)
    return UsageView(**used.__dict__, quotas=found.quotas.of(caller.team_id))
