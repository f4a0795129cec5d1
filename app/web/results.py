"""A team's results: the smallest of those that are asked for, totals, the frontier as a chart, and the list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from app.api.deps import Services
from app.db import now
from app.jobs.choices import Choice
from app.jobs.comparing import FEWEST
from app.jobs.comparing import MOST as COMPARED
from app.jobs.filters import JobFilter
from app.jobs.results import Result, ResultQuery
from app.jobs.states import JobState
from app.teams.scopes import Scope
from app.web.rendering import page
from app.web.result_points import of_results
from app.web.routing import PageRouter
from app.web.sessions import PageUser, page_access
from primesvt_client.schemas.base import LONGEST_ID
from primesvt_client.schemas.jobs import LONGEST_TAG
from primesvt_client.spec_types import TEXT
from primesvt_client.states import Scale

router = PageRouter("/results")

MOST = 200
"""Results on one page beside the frontier: more points and rows show nothing."""

PERIODS: Mapping[str, str] = {
    "": "All time",
    "30": "The last 30 days",
    "90": "The last 90 days",
    "365": "The last year",
}
SCALES: Mapping[str, str] = {
    Scale.RELATIVE: "Saving and drop",
    Scale.ABSOLUTE: "Memory and accuracy",
}
ORDERS: Mapping[str, Callable[[Result], float | str]] = {
    "newest": lambda result: -result.finished_at.timestamp(),
    "name": lambda result: result.name.casefold(),
    "saving": lambda result: -result.memory_saving,
    "drop": lambda result: result.largest_drop,
    "size": lambda result: result.parameter_bytes_after,
    "time": lambda result: -result.run_seconds,
}
Id = Annotated[str, Query(max_length=LONGEST_ID, pattern=TEXT)]


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
    checkpoint_id: Id = "",
    dataset_id: Id = "",
    within: Annotated[str, Query(max_length=20)] = "",
    tag: Annotated[str, Query(max_length=LONGEST_TAG, pattern=TEXT)] = "",
    days: Annotated[str, Query(max_length=20)] = "",
    scale: Annotated[str, Query(max_length=20)] = "",
    sort: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """The team's succeeded jobs of a period."""
    points = _points(within)
    asked = {
        "checkpoint_id": checkpoint_id, "dataset_id": dataset_id,
        "within": "" if points is None else within.strip(),
        "tag": tag.strip(), "days": days if days in PERIODS else "", "scale": scale if scale in [*Scale] else "",
    }  # fmt: skip
    query = _query(asked, points)
    order = sort if sort in ORDERS else "newest" if points is None else "size"
    found = services.results.find(user.team_id, query, MOST)
    choices = services.choices.of(user.team_id)
    counts = services.results.count_by_state(user.team_id, query.since)
    return page(
        request,
        "results.html",
        user=user,
        results=sorted(found.items, key=ORDERS[order]),
        smallest=found.smallest,
        data_sets=_different((one.dataset_id for one in found.items), choices.datasets),
        checkpoints=_different((one.checkpoint_id for one in found.items), choices.checkpoints),
        totals=totals(found.items),
        matching=found.matching,
        failed=counts[JobState.FAILED],
        cancelled=counts[JobState.CANCELLED],
        unfinished=sum(count for state, count in counts.items() if not state.is_terminal),
        chart={"results": of_results(found.items, query.scale), "scale": query.scale.value},
        asked=asked,
        is_filtered=any(value for name, value in asked.items() if name != "scale"),
        order=order,
        scale=query.scale,
        scales=SCALES,
        periods=PERIODS,
        choices=choices,
        orders={name: _url(asked, name) for name in ORDERS},
        least=FEWEST,
        most=COMPARED,
    )


def _query(asked: Mapping[str, str], points: float | None) -> ResultQuery:
    jobs = JobFilter(
        checkpoint_id=asked["checkpoint_id"], dataset_id=asked["dataset_id"],
        tags=(asked["tag"],) if asked["tag"] else (),
    )  # fmt: skip
    return ResultQuery(
        jobs=jobs,
        since=now() - timedelta(days=int(asked["days"])) if asked["days"] else None,
        max_drop=None if points is None else points / 100,
        scale=Scale(asked["scale"]) if asked["scale"] else Scale.RELATIVE,
    )


def _different(uploads: Iterable[str], choices: Iterable[Choice]) -> int:
    """How many different checkpoints, or data sets, uploads are: those of the same bytes are one."""
    known = {value: choice.value for choice in choices for value in choice.values}
    return len({known.get(one, one) for one in uploads})


def _points(typed: str) -> float | None:
    """A number of points as people type it; None if it is none."""
    try:
        points = float(typed.strip().replace(",", "."))
    except ValueError:
        return None
    return points if -100 <= points <= 100 else None


def totals(results: Sequence[Result]) -> Totals:
    """Totals over all results."""
    drops = [result.accuracy_drop for result in results if result.accuracy_drop is not None]
    return Totals(
        memory_saving=median(result.memory_saving for result in results) if results else None,
        accuracy_drop=median(drops) if drops else None,
        saved_bytes=sum(result.parameter_bytes_before - result.parameter_bytes_after for result in results),
        run_seconds=sum(result.run_seconds for result in results),
    )


def _url(asked: Mapping[str, str], order: str) -> str:
    query = {name: value for name, value in {**asked, "sort": order}.items() if value}
    return f"/results?{urlencode(query)}"
