"""Jobs as the rest of the program sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from app.catalog.records import UploadContent
from app.jobs.models import JobRow
from app.jobs.states import JobState
from primesvt_client.facts import ProblemFacts, ResultSummary, read
from primesvt_client.progress import Progress
from primesvt_client.states import Priority
from primesvt_core import __version__

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """What a client asks for.

    Attributes:
        checkpoint_id: empty of another budget, whose inputs are its parent's.
        dataset_id: likewise; empty of a given plan without data, too.
        spec: a spec's document; of another budget that budget alone.
        parent_id: a finished job of whose curve another point is wanted.
        plan: rates that are to be carried out: the document of a report or of rates by channel group.
    """

    checkpoint_id: str
    dataset_id: str
    spec: dict[str, Any]
    name: str = ""
    train_dataset_id: str | None = None
    priority: Priority = Priority.NORMAL
    parent_id: str | None = None
    plan: dict[str, Any] | None = None

    @property
    def document(self) -> dict[str, Any]:
        """All of it; without what a request did not have before there was such a thing."""
        newer = ("parent_id", "plan")
        return {name: value for name, value in vars(self).items() if name not in newer or value is not None}


@dataclass(frozen=True, kw_only=True)
class ListedJob:
    """One compression, as lists have it: all but its spec.

    Attributes:
        dataset_id: empty of a job that carries out a given plan without data.
        parent_id: the finished job of whose curve this one takes another point.
        progress: last report of the running step.
        verdict: of a succeeded job, as `primesvt_client.states.Verdict` names it.
        summary: of a succeeded job.
        problem: of a failed job.
        attempts: how often a worker has begun it.
        priority: among the waiting jobs of its team.
        run_seconds: computed so far, over all attempts and workers; waiting is not counted.
        gpu_seconds: of these, on a GPU.
        worker: who holds it now, or was the last to.
        runs_on: what it is or was computed on: ``cpu`` or ``cuda``.
        queue_position: of a queued job, from 1, over all teams.
        submitted_by: name of the person or the API key; None where it is not known any more.
    """

    id: str
    name: str
    state: JobState
    checkpoint_id: str
    dataset_id: str
    train_dataset_id: str | None
    retry_of: str | None
    progress: Progress | None
    verdict: str | None
    summary: ResultSummary | None
    problem: ProblemFacts | None
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    parent_id: str | None = None
    priority: Priority = Priority.NORMAL
    run_seconds: float = 0.0
    gpu_seconds: float = 0.0
    worker: str | None = None
    runs_on: str | None = None
    queue_position: int | None = None
    submitted_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Job(ListedJob):
    """One compression.

    Attributes:
        spec: the constraint spec as asked, with what its preset sets.
        plan: the given plan that it carries out.
    """

    spec: dict[str, Any]
    plan: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class JobEvent:
    """Something that happened: ``kind`` is ``state`` or ``progress``."""

    id: int
    at: datetime
    kind: str
    data: dict[str, Any]

    @property
    def progress(self) -> Progress | None:
        """The report; None where the event is no report that this version can read."""
        return read(Progress, self.data) if self.kind == "progress" else None


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One file of a finished job."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class StoredArtifact(Artifact):
    """An artifact and where it lies."""

    blob_key: str


@dataclass(frozen=True)
class JobFile:
    """A large file of a job: its name in the workspace, and where it lies."""

    name: str
    blob_key: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ParentRun:
    """What another budget needs of the job whose curve it takes a point of.

    Attributes:
        job_id: of that job.
        by_disagreement: whether the budgets of the curve limit the disagreement; the accuracy drop otherwise.
        allowed: by the budget.
        budgets: that were asked for of the same curve before, the first of them first.
        files: of its artifacts those that are there, by name.
        repairs: that were fitted for points of the curve.
    """

    job_id: str
    by_disagreement: bool
    allowed: float
    budgets: tuple[float, ...]
    files: Mapping[str, StoredArtifact]
    repairs: tuple[JobFile, ...] = ()


@dataclass(frozen=True, kw_only=True)
class JobClaim:
    """A worker's right to run a job, until its lease ends or another takes it.

    Attributes:
        device: where it is computed: ``cpu`` or ``cuda``.
        dataset: None of a given plan without data.
        parent: of another budget.
        plan: that is carried out.
    """

    job_id: str
    owner: str
    epoch: int
    device: Device
    spec: dict[str, Any]
    checkpoint: UploadContent
    dataset: UploadContent | None
    train_dataset: UploadContent | None
    parent: ParentRun | None = None
    plan: dict[str, Any] | None = None

    @property
    def scope(self) -> str:
        """Of the cells that it computes."""
        return scope_of(self.device)


@dataclass(frozen=True, kw_only=True)
class CellClaim:
    """A worker's right to help with a job's profile, cell by cell, while the job runs."""

    job_id: str
    owner: str
    device: Device
    spec: dict[str, Any]
    checkpoint: UploadContent
    dataset: UploadContent
    train_dataset: UploadContent | None = None

    @property
    def scope(self) -> str:
        """Of the cells that it computes."""
        return scope_of(self.device)


def scope_of(device: Device) -> str:
    """What cells are put together: those that one version has computed on one kind of device."""
    return f"{__version__}/{device}"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """When a job will begin and end, in seconds from now; None where it is unknown, and why."""

    starts_in_seconds: float | None = None
    ends_in_seconds: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class HeartbeatReply:
    """The answer to a heartbeat."""

    cancel_requested: bool


def record(row: JobRow, queue_position: int | None = None) -> Job:
    """The record of a row."""
    return Job(**_listed(row, queue_position), spec=row.spec, plan=row.plan)


def listed(row: JobRow, queue_position: int | None = None) -> ListedJob:
    """The record of a row, of which the spec need not be loaded."""
    return ListedJob(**_listed(row, queue_position))


def _listed(row: JobRow, queue_position: int | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "state": JobState(row.state),
        "checkpoint_id": row.checkpoint_id,
        "dataset_id": row.dataset_id if row.has_data else "",
        "train_dataset_id": row.train_dataset_id,
        "retry_of": row.retry_of,
        "parent_id": row.parent_id,
        "progress": read(Progress, row.progress),
        "verdict": row.verdict,
        "summary": read(ResultSummary, row.summary),
        "problem": read(ProblemFacts, row.problem),
        "attempts": row.attempts,
        "priority": Priority.of_rank(row.priority),
        "run_seconds": row.run_seconds,
        "gpu_seconds": row.gpu_seconds,
        "worker": row.owner,
        "runs_on": row.runs_on,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "queue_position": queue_position,
        "submitted_by": row.submitted_by,
    }
