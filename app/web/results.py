"""What a team has compressed so far: totals, a picture, and the list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from app.api.deps import Found
from app.db import now
from app.jobs.results import Result
from app.jobs.states import JobState
from app.teams.scopes import Scope
from app.web import plots
from app.web.job_list import checkpoints_of
from app.web.labels import VERDICTS
from app.web.rendering import page
from app.web.routing import Pages
from app.web.sessions import Visitor, looks

router = Pages("/results")

MOST = 500
"""Results on one page: more points than this are no picture any more."""

PERIODS: Mapping[str, str] = {
    "": "All time",
    "30": "The last 30 days",
    "90": "The last 90 days",
    "365": "The last year",
}
ORDERS: Mapping[str, Callable[[Result], float | str]] = {
    "newest": lambda result: -result.finished_at.timestamp(),
    "name": lambda result: result.name.casefold(),
    "saving": lambda result: -result.memory_saving,
    "drop": lambda result: result.accuracy_drop,
    "time": lambda result: -result.run_seconds,
}


@dataclass(frozen=True, kw_only=True)
class Totals:
    """All results together; medians are None where there is none."""

    memory_saving: float | None
    accuracy_drop: float | None
    saved_bytes: int
    run_seconds: float


@router.get("")
def show_results(
    request: Request,
    who: Annotated[Visitor, looks(Scope.JOBS_READ)],
    found: Found,
    days: Annotated[str, Query(max_length=20)] = "",
    sort: Annotated[str, Query(max_length=20)] = "newest",
) -> Response:
    """The team's succeeded jobs of a period."""
    period, order = (days if days in PERIODS else ""), (sort if sort in ORDERS else "newest")
    since = now() - timedelta(days=int(period)) if period else None
    results = found.results.newest(who.team_id, since, MOST)
    counts = found.results.count_by_state(who.team_id, since)
    return page(
        request,
        "results.html",
        visitor=who,
        results=sorted(results, key=ORDERS[order]),
        totals=totals(results),
        succeeded=counts[JobState.SUCCEEDED],
        failed=counts[JobState.FAILED],
        unfinished=sum(count for state, count in counts.items() if not state.is_terminal),
        uploads=checkpoints_of(found, who.team_id, results),
        drawn=plots.results(results),
        verdicts=VERDICTS,
        order=order,
        period=period,
        periods=PERIODS,
        orders={name: _address(period, name) for name in ORDERS},
    )


def totals(results: Sequence[Result]) -> Totals:
    """All of them together."""
    return Totals(
        memory_saving=median(result.memory_saving for result in results) if results else None,
        accuracy_drop=median(result.accuracy_drop for result in results) if results else None,
        saved_bytes=sum(result.parameter_bytes_before - result.parameter_bytes_after for result in results),
        run_seconds=sum(result.run_seconds for result in results),
    )


def _address(period: str, order: str) -> str:
    asked = {name: value for name, value in (("days", period), ("sort", order)) if value}
    return f"/results?{urlencode(asked)}"
