"""A team's results: totals, a chart and the list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from app.api.deps import Services
from app.db import now
from app.jobs.results import Result
from app.jobs.states import JobState
from app.teams.scopes import Scope
from app.web import chart_data
from app.web.job_list import checkpoints_of
from app.web.rendering import page
from app.web.routing import PageRouter
from app.web.sessions import PageUser, page_access

router = PageRouter("/results")

MOST = 500
"""Results on one page: a chart of more points shows nothing."""

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
    "drop": lambda result: result.largest_drop,
    "time": lambda result: -result.run_seconds,
}


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Totals over results; medians are None without any, that of the drop over results that know one."""

    memory_saving: float | None
    accuracy_drop: float | None
    saved_bytes: int
    run_seconds: float


@router.get("")
def show_results(
    request: Request,
    user: Annotated[PageUser, page_access(Scope.JOBS_READ)],
    services: Services,
    days: Annotated[str, Query(max_length=20)] = "",
    sort: Annotated[str, Query(max_length=20)] = "newest",
) -> Response:
    """The team's succeeded jobs of a period."""
    period, order = (days if days in PERIODS else ""), (sort if sort in ORDERS else "newest")
    since = now() - timedelta(days=int(period)) if period else None
    results = services.results.newest(user.team_id, since, MOST)
    counts = services.results.count_by_state(user.team_id, since)
    return page(
        request,
        "results.html",
        user=user,
        results=sorted(results, key=ORDERS[order]),
        totals=totals(results),
        succeeded=counts[JobState.SUCCEEDED],
        failed=counts[JobState.FAILED],
        cancelled=counts[JobState.CANCELLED],
        unfinished=sum(count for state, count in counts.items() if not state.is_terminal),
        uploads=checkpoints_of(services, user.team_id, results),
        chart={"results": chart_data.of_results(results)},
        order=order,
        period=period,
        periods=PERIODS,
        orders={name: _url(period, name) for name in ORDERS},
    )


def totals(results: Sequence[Result]) -> Totals:
    """Totals over all results."""
    drops = [result.accuracy_drop for result in results if result.accuracy_drop is not None]
    return Totals(
        memory_saving=median(result.memory_saving for result in results) if results else None,
        accuracy_drop=median(drops) if drops else None,
        saved_bytes=sum(result.parameter_bytes_before - result.parameter_bytes_after for result in results),
        run_seconds=sum(result.run_seconds for result in results),
    )


def _url(period: str, order: str) -> str:
    query = {name: value for name, value in (("days", period), ("sort", order)) if value}
    return f"/results?{urlencode(query)}"
