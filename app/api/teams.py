"""Teams of the caller; settings, usage and quotas of the current one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from app.api.body_limits import BoundedRoute
from app.api.deps import Caller, Services, needs
from app.api.problem import responses
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.team import TeamPatch, TeamView, UsageView

router = APIRouter(prefix="/api/v1", tags=["teams"], responses=responses(422), route_class=BoundedRoute)

Reader = Annotated[Principal, needs(Scope.TEAM_READ)]
Admin = Annotated[Principal, needs(Scope.TEAM_ADMIN)]


@router.get("/teams")
def list_teams(caller: Caller, services: Services) -> list[TeamView]:
    """List the caller's teams; an API key has one."""
    if caller.user_id is None:
        return [TeamView.model_validate(services.teams.get(caller.team_id))]
    return [TeamView.model_validate(one.team) for one in services.members.teams_of(caller.user_id)]


@router.get("/team")
def get_team(caller: Reader, services: Services) -> TeamView:
    """Get the current team."""
    return TeamView.model_validate(services.teams.get(caller.team_id))


@router.patch("/team")
def change_team(body: TeamPatch, caller: Admin, services: Services) -> TeamView:
    """Change the team's name or retention period."""
    return TeamView.model_validate(services.teams.change(caller.team_id, body.model_dump(exclude_unset=True)))


@router.get("/usage")
def get_usage(caller: Reader, services: Services) -> UsageView:
    """Get the team's usage and quotas."""
    used = services.quotas.usage(caller.team_id)
    return UsageView(**used.__dict__, quotas=services.quotas.of(caller.team_id))
