"""Jobs beside each other."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from app.api.deps import Services, needs
from app.api.openapi import CSV
from app.api.problem import responses
from app.jobs.comparing import FEWEST, MOST
from app.jobs.comparison import as_csv
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.jobs import JobIdText
from primesvt_client.schemas.results import ComparisonView

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=responses(401, 422))

Reader = Annotated[Principal, needs(Scope.JOBS_READ)]
Jobs = Annotated[
    list[JobIdText],
    Query(min_length=FEWEST, max_length=MOST, description="Ids of the jobs; one that is named twice counts once."),
]
AS_FILE = {"Content-Disposition": 'attachment; filename="comparison.csv"', "Cache-Control": "no-store"}


@router.get("/compare", responses=responses(400, 404))
def compare_jobs(caller: Reader, services: Services, job: Jobs) -> ComparisonView:
    """Compare two to twenty jobs: spec, versions, inputs, rates, verdict and figures, and the curves they found.

    Versions, rates and curves are those of reports, which are read for callers with the scope `artifacts:read`.
    """
    with_reports = Scope.ARTIFACTS_READ in caller.scopes
    return ComparisonView.model_validate(services.comparison.of(caller.team_id, job, with_reports=with_reports))


@router.get("/compare.csv", response_class=Response, responses={200: CSV, **responses(400, 404)})
def export_comparison(
    caller: Reader,
    services: Services,
    job: Jobs,
    all_rows: Annotated[bool, Query(description="Also what is the same of all.")] = False,
    transposed: Annotated[bool, Query(description="A line a job, instead of a column.")] = False,
) -> Response:
    """Download a comparison as CSV, what differs alone if nothing else is asked for; no cell is a formula."""
    with_reports = Scope.ARTIFACTS_READ in caller.scopes
    comparison = services.comparison.of(caller.team_id, job, with_reports=with_reports)
    lines = as_csv(comparison, all_rows=all_rows, transposed=transposed)
    return StreamingResponse(lines, 200, AS_FILE, "text/csv; charset=utf-8")
