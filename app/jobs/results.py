"""A team's succeeded jobs in numbers, and the frontier of them. Every query takes the team."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from app.catalog.models import UploadRow
from app.db import Database
from app.jobs.filters import JobFilter, conditions
from app.jobs.frontier import Point, frontier
from app.jobs.models import JobRow
from app.jobs.states import JobState
from app.turns import is_state
from primesvt_client.facts import ResultSummary, read
from primesvt_client.states import Scale


@dataclass(frozen=True, kw_only=True)
class Result:
    """One succeeded job.

    Attributes:
        accuracy_drop: None without labels, as are both accuracies.
        disagreement: of a job whose budget limits it, which no drop exceeds.
        run_seconds: computed, over all attempts and workers.
        is_on_frontier: whether no other result of the same question is both smaller and better.
    """

    id: str
    name: str
    checkpoint_id: str
    checkpoint_name: str = ""
    dataset_id: str
    dataset_name: str = ""
    verdict: str | None
    tags: tuple[str, ...]
    submitted_by: str | None
    memory_saving: float
    accuracy_drop: float | None
    disagreement: float | None
    baseline_accuracy: float | None
    pruned_accuracy: float | None
    parameter_bytes_before: int
    parameter_bytes_after: int
    run_seconds: float
    finished_at: datetime
    is_on_frontier: bool = False

    @property
    def largest_drop(self) -> float:
        """The accuracy drop that was measured; without labels the disagreement, which it does not exceed."""
        return (self.disagreement or 0.0) if self.accuracy_drop is None else self.accuracy_drop


EVERY_JOB = JobFilter()


@dataclass(frozen=True, kw_only=True)
class ResultQuery:
    """Which results are asked for.

    Attributes:
        jobs: of which jobs; their state is taken for succeeded.
        since: finished then or later.
        max_drop: that lose no more accuracy, a fraction; without labels that disagree no more.
        scale: what the frontier compares.
    """

    jobs: JobFilter = EVERY_JOB
    since: datetime | None = None
    max_drop: float | None = None
    scale: Scale = Scale.RELATIVE


@dataclass(frozen=True, kw_only=True)
class Results:
    """Results, smallest first.

    Attributes:
        items: the frontier, and of the others the newest.
        matching: how many succeeded jobs were asked for, those among them that this version cannot read.
    """

    items: tuple[Result, ...]
    matching: int

    @property
    def smallest(self) -> Result | None:
        """The smallest result of all that were asked for."""
        return next((one for one in self.items if one.is_on_frontier), None)


FIGURES = ("memory_saving", "parameter_bytes_before", "parameter_bytes_after")
"""Fields of a summary without which a job is in no list of results."""

ACCURACIES = ("accuracy_drop", "baseline_accuracy", "pruned_accuracy")
"""Those that only labels tell: without them it has a disagreement, or is in no list either."""

COLUMNS = (
    JobRow.id, JobRow.name, JobRow.checkpoint_id, JobRow.dataset_id, JobRow.verdict, JobRow.tags, JobRow.submitted_by,
    JobRow.summary, JobRow.run_seconds, JobRow.finished_at,
)  # fmt: skip


class ResultService:
    """A team's results."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def find(self, team: str, query: ResultQuery, limit: int) -> Results:
        """The results that are asked for: all of their frontier, and beside it the newest ``limit``."""
        with self.database.reading() as session:
            every = _points(session, [*_conditions(team, query)], query.scale)
            known = [Point._make(one) for one in every if None not in one]
            on_frontier = {point.job_id for point in frontier(known)}
            newest = sorted((one[0] for one in every), reverse=True)[:limit]
            found = _named(session, _results(session, team, on_frontier.union(newest)))
        marked = (replace(one, is_on_frontier=one.id in on_frontier) for one in found)
        return Results(items=tuple(sorted(marked, key=lambda one: _order(one, query.scale))), matching=len(every))

    def count_by_state(self, team: str, since: datetime | None) -> dict[JobState, int]:
        """How many jobs are in which state; of those that are over, only such as have ended since then."""
        query = select(JobRow.state, func.count()).where(JobRow.team_id == team).group_by(JobRow.state)
        if since is not None:
            query = query.where(or_(JobRow.finished_at.is_(None), JobRow.finished_at >= since))
        with self.database.session() as session:
            counts = {str(state): int(count) for state, count in session.execute(query)}
        return {state: counts.get(state.value, 0) for state in JobState}


def _conditions(team: str, query: ResultQuery) -> Iterable[ColumnElement[bool]]:
    yield from conditions(team, replace(query.jobs, states=()))
    yield is_state(JobRow.state, JobState.SUCCEEDED.value)
    if query.since is not None:
        yield JobRow.finished_at >= query.since
    if query.max_drop is not None:
        yield JobRow.largest_drop <= query.max_drop


Pair = tuple[str, float | None, float | None]


def _points(session: Session, rows: list[ColumnElement[bool]], scale: Scale) -> list[Pair]:
    """Of all that was asked for the job, and what the frontier compares: size and loss, None where one is not known."""
    jobs = JobRow.__table__.c  # some ten thousand rows: without the objects that they could become
    if scale is Scale.ABSOLUTE:
        query = select(jobs.id, jobs.parameter_bytes_after, -jobs.pruned_accuracy)
    else:
        query = select(jobs.id, 1 - jobs.memory_saving, jobs.largest_drop)
    return [*map(tuple, session.execute(query.where(*rows)))]


def _order(one: Result, scale: Scale) -> tuple[float, float, str]:
    if scale is Scale.ABSOLUTE:
        return one.parameter_bytes_after, -(one.pruned_accuracy or 0.0), one.id
    return -one.memory_saving, one.largest_drop, one.id


def _results(session: Session, team: str, job_ids: Iterable[str]) -> list[Result]:
    query = select(*COLUMNS).where(JobRow.team_id == team, JobRow.id.in_([*job_ids]))
    return [result for result in map(_result, (row._asdict() for row in session.execute(query))) if result is not None]


def _result(row: dict[str, Any]) -> Result | None:
    summary = read(ResultSummary, row.pop("summary")) or ResultSummary()
    figures = {name: getattr(summary, name) for name in FIGURES}
    accuracies = {name: getattr(summary, name) for name in ACCURACIES}
    is_known = summary.disagreement is not None or None not in accuracies.values()
    if None in figures.values() or not is_known:
        return None
    row["tags"] = tuple(row["tags"])
    return Result(**row, **figures, **accuracies, disagreement=summary.disagreement)


def _named(session: Session, results: list[Result]) -> list[Result]:
    """The same with the names of their uploads, some of which may be the service's own."""
    ids = {x for one in results for x in (one.checkpoint_id, one.dataset_id)}
    query = select(UploadRow.id, UploadRow.name).where(UploadRow.id.in_(ids))
    names = {row.id: row.name for row in session.execute(query)}
    return [
        replace(one, checkpoint_name=names.get(one.checkpoint_id, ""), dataset_name=names.get(one.dataset_id, ""))
        for one in results
    ]
