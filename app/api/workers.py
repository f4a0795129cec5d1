"""Workers: their hosts, devices and jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from app.api.deps import Services, needs
from app.api.problem import responses
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.service import Workers, WorkerView

router = APIRouter(prefix="/api/v1/workers", tags=["operation"], responses=responses(422))


@router.get("")
def list_workers(caller: Annotated[Principal, needs(Scope.JOBS_READ)], services: Services) -> Workers:
    """List workers seen within a day, by host. Jobs of other teams are not named."""
    return Workers(items=[WorkerView.model_validate(one) for one in services.workers.seen_by(caller.team_id)])
