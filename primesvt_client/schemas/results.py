"""What the REST API gives of results, and of jobs beside each other."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, JsonValue

from primesvt_client.schemas.base import View


class ResultView(View):
    """One succeeded job, in numbers."""

    id: str = Field(description="Of the job.")
    name: str
    checkpoint_id: str
    checkpoint_name: str
    dataset_id: str
    dataset_name: str
    verdict: str | None
    tags: tuple[str, ...]
    submitted_by: str | None
    memory_saving: float
    accuracy_drop: float | None = Field(description="Null without labels, as are both accuracies.")
    disagreement: float | None = Field(description="Of a job whose budget limits it: no drop exceeds it.")
    baseline_accuracy: float | None
    pruned_accuracy: float | None
    parameter_bytes_before: int
    parameter_bytes_after: int
    run_seconds: float
    finished_at: datetime
    is_on_frontier: bool = Field(description="Whether no other one that was asked for is both smaller and better.")


class ResultsView(View):
    """Results, smallest first."""

    items: list[ResultView] = Field(description="All of the frontier, and of the others the newest.")
    matching: int = Field(description="Succeeded jobs that were asked for, in the list or not.")


class ComparedJobView(View):
    """A job that is compared."""

    id: str
    name: str
    state: str
    note: str = Field(description="What is not known of it, and why; empty where all is.")


class ComparedRowView(View):
    """One thing that the jobs are compared by."""

    section: str = Field(description="job, inputs, spec, versions, result or rates.")
    name: str
    unit: str = Field(description="Of numbers: fraction, bytes, seconds or count; empty of others.")
    values: list[JsonValue] = Field(description="Of each job, in their order; null where it has none.")
    differs: bool


class CurvePointView(View):
    """A candidate of a run."""

    memory_saving: float
    loss: float = Field(description="Accuracy drop, or disagreement, on the search images.")
    confirmed_loss: float | None = Field(description="The same on the confirmation images, if it was tested there.")
    confirmed: bool | None


class ComparedCurveView(View):
    """The candidates that a job found, smallest saving first."""

    job_id: str
    by_disagreement: bool
    points: list[CurvePointView]


class ComparisonView(View):
    """Jobs beside each other."""

    jobs: list[ComparedJobView]
    rows: list[ComparedRowView]
    curves: list[ComparedCurveView] = Field(description="Of the jobs whose report could be read.")
