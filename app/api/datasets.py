"""Data sets that the service has already."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from app.api.body_limits import BoundedRoute
from app.api.deps import DatasetId, Services, needs
from app.api.problem import responses
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.datasets import DatasetView

router = APIRouter(
    prefix="/api/v1/datasets", tags=["datasets"], responses=responses(401, 422), route_class=BoundedRoute
)

Reader = Annotated[Principal, needs(Scope.UPLOADS_READ)]


@router.get("")
def list_datasets(caller: Reader, services: Services) -> list[DatasetView]:
    """List the data sets that the team may use without uploading them, by name."""
    return [DatasetView.model_validate(found) for found in services.datasets.offered(caller.team_id)]


@router.get("/{dataset_id}", responses=responses(404))
def get_dataset(dataset_id: DatasetId, caller: Reader, services: Services) -> DatasetView:
    """Get one data set that the team may use."""
    return DatasetView.model_validate(services.datasets.get(caller.team_id, dataset_id))
