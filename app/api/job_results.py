"""The results of a team: the frontier of its compressions, and the others."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.deps import Services, needs
from app.api.job_lists import TagText, UploadQuery
from app.api.problem import responses
from app.jobs.filters import JobFilter
from app.jobs.results import ResultQuery
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.base import Moment
from primesvt_client.schemas.jobs import MOST_TAGS
from primesvt_client.schemas.results import ResultsView
from primesvt_client.spec_types import TEXT
from primesvt_client.states import Archived, Scale, Verdict

router = APIRouter(prefix="/api/v1", tags=["jobs"], responses=responses(401, 422))

MOST_RESULTS, USUAL_RESULTS = 500, 100


@router.get("/results")
def list_results(
    caller: Annotated[Principal, needs(Scope.JOBS_READ)],
    services: Services,
    checkpoint_id: Annotated[
        UploadQuery, Query(description="Only of this upload, or of another one of the same bytes.")
    ] = None,
    dataset_id: Annotated[UploadQuery, Query(description="Only measured on this upload; likewise.")] = None,
    max_drop: Annotated[
        float | None,
        Query(ge=-1, le=1, allow_inf_nan=False, description="Only those that lose no more accuracy: 0.02 is 2 points."),
    ] = None,
    verdict: Annotated[list[Verdict] | None, Query(description="One or more verdicts.")] = None,
    tag: Annotated[
        list[TagText] | None, Query(max_length=MOST_TAGS, description="Only those that have all of these.")
    ] = None,
    submitted_by: Annotated[str, Query(max_length=254, pattern=TEXT, description="Only of this person or key.")] = "",
    since: Annotated[Moment | None, Query(description="Only those that finished then or later.")] = None,
    archived: Annotated[Archived, Query(description="Whether archived jobs are among them.")] = Archived.EXCLUDE,
    scale: Annotated[
        Scale,
        Query(description="What the frontier compares: saving and drop against the original, or memory and accuracy."),
    ] = Scale.RELATIVE,
    limit: Annotated[
        int, Query(ge=1, le=MOST_RESULTS, description="Results beside the frontier, the newest.")
    ] = USUAL_RESULTS,
) -> ResultsView:
    """List results, smallest first, and say which are on the frontier: no other one is both smaller and better.

    The smallest compression of a checkpoint within two points is the first one with `checkpoint_id` and
    `max_drop=0.02`.
    """
    jobs = JobFilter(
        verdicts=tuple(verdict or ()), tags=tuple(tag or ()), checkpoint_id=checkpoint_id or "",
        dataset_id=dataset_id or "", submitted_by=submitted_by, archived=archived,
    )  # fmt: skip
    query = ResultQuery(jobs=jobs, since=since, max_drop=max_drop, scale=scale)
    return ResultsView.model_validate(services.results.find(caller.team_id, query, limit))
