"""Lists of jobs as tables that spreadsheets take for nothing but text and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from app.jobs.records import ListedJob
from primesvt_client.budget import Budget
from primesvt_client.facts import ProblemFacts, ResultSummary
from primesvt_core.report.csv_tables import csv_line

FIELDS = (
    "id", "name", "state", "verdict", "tags", "note", "submitted_by", "submitter_kind", "checkpoint_id",
    "checkpoint_name", "family", "dataset_id", "dataset_name", "parent_id", "priority", "attempts", "run_seconds",
    "gpu_seconds", "created_at", "started_at", "finished_at", "archived_at",
)  # fmt: skip
LIMITS = tuple(Budget.model_fields)
FIGURES = tuple(ResultSummary.model_fields)
PROBLEM = ("problem_code", "problem_detail")
COLUMNS = (*FIELDS, *(f"budget_{name}" for name in LIMITS), *FIGURES, *PROBLEM)


def as_csv(jobs: Iterable[ListedJob]) -> Iterator[str]:
    """A head, then a line a job; fractions and bytes as they are."""
    yield csv_line(COLUMNS)
    for job in jobs:
        yield csv_line(_cells(job))


def _cells(job: ListedJob) -> Iterator[str | float]:
    for name in FIELDS:
        yield _cell(getattr(job, name))
    for name in LIMITS:
        yield _cell(job.budget.get(name))
    summary, problem = job.summary or ResultSummary(), job.problem or ProblemFacts()
    for name in FIGURES:
        yield _cell(getattr(summary, name))
    yield _cell(problem.code)
    yield _cell(problem.detail)


def _cell(value: object) -> str | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)
