"""What a team uses, and what it may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

from fastapi import Request, Response

from app.api.deps import Found
from app.db import now
from app.jobs.usage import Day
from app.teams.quotas import Quotas
from app.teams.scopes import Scope
from app.usage.quotas import Usage
from app.web import labels
from app.web.routing import Pages
from app.web.sessions import Visitor, looks
from app.web.team.tabs import USAGE, team_page

router = Pages(USAGE.address)

DAYS = 30
NEARLY = 0.9
"""Share of a quota from which people should hear of it."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """How much of a quota is used; ``limit`` is None where there is none."""

    title: str
    used: float
    limit: int | None
    told: str

    @property
    def tone(self) -> str:
        """``full``, ``nearly`` or nothing."""
        if self.limit is None or self.used < NEARLY * self.limit:
            return ""
        return "full" if self.used >= self.limit else "nearly"


@dataclass(frozen=True)
class Column:
    """One day of the chart, as shares of its largest day."""

    day: date
    run: float
    gpu: float
    told: str


@router.get("")
def show_usage(request: Request, who: Annotated[Visitor, looks(Scope.TEAM_READ)], found: Found) -> Response:
    """Quotas as bars, and the last days as columns."""
    used, quotas = found.quotas.usage(who.team_id), found.quotas.of(who.team_id)
    first = now().date() - timedelta(days=DAYS - 1)
    days = found.quotas.days(who.team_id, first)
    return team_page(
        request,
        "usage.html",
        who,
        USAGE,
        bars=bars(used, quotas),
        upload_bytes=quotas.upload_bytes,
        since=used.since,
        columns=columns(days, first),
        run_seconds=sum(day.run_seconds for day in days),
        gpu_seconds=sum(day.gpu_seconds for day in days),
        days=DAYS,
    )


def bars(used: Usage, quotas: Quotas) -> tuple[Bar, ...]:
    """Every quota, with what is used of it."""
    told = _of(labels.size(used.storage_bytes), quotas.storage_bytes, labels.size)
    jobs = _of(labels.count(used.unfinished_jobs), quotas.unfinished_jobs, labels.count)
    gpu = _of(labels.duration(60 * used.gpu_minutes), quotas.gpu_minutes, lambda limit: labels.duration(60 * limit))
    return (
        Bar(title="Storage", used=used.storage_bytes, limit=quotas.storage_bytes, told=told),
        Bar(title="Jobs that wait or run", used=used.unfinished_jobs, limit=quotas.unfinished_jobs, told=jobs),
        Bar(title="GPU time this month", used=used.gpu_minutes, limit=quotas.gpu_minutes, told=gpu),
    )


def _of(used: str, limit: int | None, words: labels.Words) -> str:
    return f"{used}, no limit" if limit is None else f"{used} of {words(limit)}"


def columns(days: list[Day], first: date) -> tuple[Column, ...]:
    """The days of the chart, those on which nothing was used among them."""
    found: Mapping[date, Day] = {day.day: day for day in days}
    most = max((day.run_seconds for day in days), default=0.0) or 1.0
    return tuple(_column(found.get(day, Day(day, 0.0, 0.0)), most) for day in _dates(first))


def _dates(first: date) -> list[date]:
    return [first + timedelta(days=number) for number in range(DAYS)]


def _column(day: Day, most: float) -> Column:
    told = f"{day.day:%d %b}: {labels.duration(day.run_seconds)}"
    if day.gpu_seconds:
        told += f", {labels.duration(day.gpu_seconds)} of it on a GPU"
    return Column(day.day, day.run_seconds / most, day.gpu_seconds / most, told)
