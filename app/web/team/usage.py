"""A team's usage and quotas."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import Request, Response

from app.api.deps import Services
from app.db import now
from app.jobs.usage import Day
from app.teams.quotas import Quotas
from app.teams.scopes import Scope
from app.usage.quotas import Usage
from app.web import labels
from app.web.routing import PageRouter
from app.web.sessions import PageUser, page_access
from app.web.team.tabs import USAGE, team_page

router = PageRouter(USAGE.path)

DAYS = 30
MINUTE = 60
NEARLY = 0.9
"""Share of a quota from which the page warns."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A quota and its usage; ``limit`` is None where there is none."""

    name: str
    title: str
    used: float
    limit: int | None
    text: str

    @property
    def tone(self) -> str:
        """``full``, ``nearly`` or nothing."""
        if self.limit is None or self.used < NEARLY * self.limit:
            return ""
        return "full" if self.used >= self.limit else "nearly"


@router.get("")
def show_usage(
    request: Request, user: Annotated[PageUser, page_access(Scope.TEAM_READ)], services: Services
) -> Response:
    """Quotas as bars, and the run time of the last days."""
    used, quotas = services.quotas.usage(user.team_id), services.quotas.of(user.team_id)
    first = now().date() - timedelta(days=DAYS - 1)
    days = all_days(services.quotas.days(user.team_id, first), first)
    return team_page(
        request,
        "usage.html",
        user,
        USAGE,
        bars=bars(used, quotas),
        upload_bytes=quotas.upload_bytes,
        since=used.since,
        days=days,
        chart={"days": chart_days(days)},
        run_seconds=sum(day.run_seconds for day in days),
        gpu_seconds=sum(day.gpu_seconds for day in days),
    )


def bars(used: Usage, quotas: Quotas) -> tuple[Bar, ...]:
    """Every quota, with what is used of it."""
    storage = _of(labels.size(used.storage_bytes), quotas.storage_bytes, labels.size)
    jobs = _of(labels.count(used.unfinished_jobs), quotas.unfinished_jobs, labels.count)
    gpu = _of(labels.duration(60 * used.gpu_minutes), quotas.gpu_minutes, lambda limit: labels.duration(60 * limit))
    return (
        Bar(name="storage_bytes", title="Storage", used=used.storage_bytes, limit=quotas.storage_bytes, text=storage),
        Bar(
            name="unfinished_jobs",
            title="Unfinished jobs",
            used=used.unfinished_jobs,
            limit=quotas.unfinished_jobs,
            text=jobs,
        ),
        Bar(name="gpu_minutes", title="GPU time this month", used=used.gpu_minutes, limit=quotas.gpu_minutes, text=gpu),
    )


def _of(used: str, limit: int | None, text: labels.Formatter) -> str:
    return f"{used}, no limit" if limit is None else f"{used} of {text(limit)}"


def all_days(days: Iterable[Day], first: date) -> list[Day]:
    """The last days from ``first`` on, including those without usage."""
    by_date = {day.day: day for day in days}
    dates = [first + timedelta(days=number) for number in range(DAYS)]
    return [by_date.get(at, Day(at, 0.0, 0.0)) for at in dates]


def chart_days(days: Iterable[Day]) -> list[dict[str, Any]]:
    """The data of the chart, in minutes; GPU time is a part of run time."""
    return [
        {"day": day.day.isoformat(), "run": day.run_seconds / MINUTE, "gpu": day.gpu_seconds / MINUTE} for day in days
    ]
