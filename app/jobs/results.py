"""What a team has compressed so far: its succeeded jobs in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select

from app.db import Database
from app.jobs.models import JobRow
from app.jobs.states import JobState
from primesvt_client.facts import ResultSummary, read


@dataclass(frozen=True, kw_only=True)
class Result:
    """One succeeded job.

    Attributes:
        accuracy_drop: None without labels, as are both accuracies.
        disagreement: of a job whose budget limits it, which no drop exceeds.
        run_seconds: computed, over all attempts and workers.
    """

    id: str
    name: str
    checkpoint_id: str
    verdict: str | None
    memory_saving: float
    accuracy_drop: float | None
    disagreement: float | None
    baseline_accuracy: float | None
    pruned_accuracy: float | None
    parameter_bytes_before: int
    parameter_bytes_after: int
    run_seconds: float
    finished_at: datetime

    @property
    def largest_drop(self) -> float:
        """The accuracy drop that was measured; without labels the disagreement, which it does not exceed."""
        return (self.disagreement or 0.0) if self.accuracy_drop is None else self.accuracy_drop


FIGURES = ("memory_saving", "parameter_bytes_before", "parameter_bytes_after")
"""Fields of a summary without which a job is in no list of results."""

ACCURACIES = ("accuracy_drop", "baseline_accuracy", "pruned_accuracy")
"""Those that only labels tell: without them it has a disagreement, or is in no list either."""


class ResultService:
    """A team's results. Every query takes the team."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def newest(self, team: str, since: datetime | None, limit: int) -> list[Result]:
        """Jobs that have succeeded since then, the newest first; without those that another version summed up."""
        columns = (
            JobRow.id, JobRow.name, JobRow.checkpoint_id, JobRow.verdict, JobRow.summary, JobRow.run_seconds,
            JobRow.finished_at,
        )  # fmt: skip
        query = select(*columns).where(JobRow.team_id == team, JobRow.state == JobState.SUCCEEDED.value)
        query = query.order_by(JobRow.id.desc()).limit(limit)
        if since is not None:
            query = query.where(JobRow.finished_at >= since)
        with self.database.session() as session:
            rows = [row._asdict() for row in session.execute(query)]
        return [result for result in map(_result, rows) if result is not None]

    def count_by_state(self, team: str, since: datetime | None) -> dict[JobState, int]:
        """How many jobs are in which state; of those that are over, only such as have ended since then."""
        query = select(JobRow.state, func.count()).where(JobRow.team_id == team).group_by(JobRow.state)
        if since is not None:
            query = query.where(or_(JobRow.finished_at.is_(None), JobRow.finished_at >= since))
        with self.database.session() as session:
            counts = {str(state): int(count) for state, count in session.execute(query)}
        return {state: counts.get(state.value, 0) for state in JobState}


def _result(row: dict[str, Any]) -> Result | None:
    summary = read(ResultSummary, row.pop("summary")) or ResultSummary()
    figures = {name: getattr(summary, name) for name in FIGURES}
    accuracies = {name: getattr(summary, name) for name in ACCURACIES}
    is_known = summary.disagreement is not None or None not in accuracies.values()
    if None in figures.values() or not is_known:
        return None
    return Result(**row, **figures, **accuracies, disagreement=summary.disagreement)
