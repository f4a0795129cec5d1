"""Tables of jobs."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Date,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    or_,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcTime, partial
from app.jobs.similarity import kind_of
from app.jobs.states import NEWER
from primesvt_client.presets import kept

EVENT_ID = BigInteger().with_variant(Integer, "sqlite")


class SpecJson(TypeDecorator[dict[str, Any]]):
    """A constraint spec; one that was stored before there were presets means what it meant then."""

    impl = JSON
    cache_ok = True

    def process_result_value(self, value: dict[str, Any] | None, dialect: Dialect) -> dict[str, Any] | None:
        return None if value is None else kept(value)


class JobRow(Base):
    """One compression."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_state_not_before", "state", "not_before"),
        Index("ix_jobs_team_id_id", "team_id", "id"),
        Index("ix_jobs_team_id_turn", "team_id", "turn"),
        Index("ix_jobs_likeness", "likeness", "finished_at"),
        Index("ix_jobs_parent_id", "parent_id"),
        Index("ix_jobs_team_id_verdict", "team_id", "verdict", "id"),
        Index("ix_jobs_team_id_submitted_by", "team_id", "submitted_by", "id"),
        Index("ix_jobs_team_id_checkpoint_id", "team_id", "checkpoint_id", "id"),
        Index("ix_jobs_team_id_dataset_id", "team_id", "dataset_id", "id"),
        Index("ix_jobs_team_id_train_dataset_id", "team_id", "train_dataset_id", "id"),
        Index("ix_jobs_team_id_finished_at", "team_id", "finished_at", "id"),
        Index("ix_jobs_team_id_memory_saving", "team_id", "memory_saving", "id"),
        Index("ix_jobs_team_id_largest_drop", "team_id", "largest_drop", "id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.id"))
    name: Mapped[str] = mapped_column(String(200))
    checkpoint_id: Mapped[str] = mapped_column(ForeignKey("uploads.id"))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("uploads.id"))
    """Of a job without data its checkpoint: the column is older than such jobs."""

    train_dataset_id: Mapped[str | None] = mapped_column(ForeignKey("uploads.id"))
    retry_of: Mapped[str | None] = mapped_column(String(40))
    parent_id: Mapped[str | None] = mapped_column(String(40))
    """The finished job of whose curve this one takes another point; it may be deleted by now."""

    root_id: Mapped[str | None] = mapped_column(String(40))
    """Of such a job the one that found the curve."""

    plan: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Rates that are carried out instead of searched for, as a document."""

    spec: Mapped[dict[str, Any]] = mapped_column(SpecJson)
    state: Mapped[str] = mapped_column(String(20))
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    verdict: Mapped[str | None] = mapped_column(String(40))
    summary: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcTime)
    not_before: Mapped[datetime] = mapped_column(UtcTime)
    owner: Mapped[str | None] = mapped_column(String(200))
    epoch: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    priority: Mapped[int] = mapped_column(default=0, server_default="0")
    device: Mapped[str] = mapped_column(String(10), default="auto", server_default="auto")
    runs_on: Mapped[str | None] = mapped_column(String(10))
    served_seq: Mapped[int | None] = mapped_column("turn", BigInteger, index=True)
    """Number of the claim, counted over all jobs; the column keeps its first name, and so does ``similarity_key``."""

    run_seconds: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    gpu_seconds: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    step_seconds: Mapped[dict[str, float] | None] = mapped_column(JSON)
    similarity_key: Mapped[str | None] = mapped_column("likeness", String(80))
    tags: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    """In the order in which they were given; `JobTagRow` finds jobs by them."""

    note: Mapped[str] = mapped_column(Text, default="", server_default="")
    submitted_by: Mapped[str | None] = mapped_column(String(254))
    """Who submitted it, as the audit log names them; None of a job whose submission that does not hold."""

    submitter_kind: Mapped[str | None] = mapped_column(String(20))
    archived_at: Mapped[datetime | None] = mapped_column(UtcTime)
    memory_saving: Mapped[float | None] = mapped_column(Float)
    """From the summary, as are the next three, by which lists are sorted and results compared."""

    largest_drop: Mapped[float | None] = mapped_column(Float)
    """The accuracy drop; without labels the disagreement, which it does not exceed."""

    parameter_bytes_after: Mapped[int | None] = mapped_column(BigInteger)
    pruned_accuracy: Mapped[float | None] = mapped_column(Float)

    @property
    def has_data(self) -> bool:
        """Whether it has a data set: a given plan can do without."""
        return self.dataset_id != self.checkpoint_id

    @property
    def wanted_device(self) -> str:
        """What it is to run on: ``auto``, ``cpu`` or ``cuda``."""
        return self.device.removesuffix(NEWER)

    @property
    def kind(self) -> str:
        """What is done: ``search``, ``retarget`` or ``prune``."""
        return kind_of(has_parent=self.parent_id is not None, has_plan=self.plan is not None)


class JobTagRow(Base):
    """A tag of a job, to find it by."""

    __tablename__ = "job_tags"
    __table_args__ = (Index("ix_job_tags_team_id_tag", "team_id", "tag", "job_id"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.id"))


Index("ix_jobs_waiting", JobRow.team_id, JobRow.priority.desc(), JobRow.id, **partial("state = 'queued'"))
Index(
    "ix_jobs_of_results",
    JobRow.team_id,
    JobRow.archived_at,
    JobRow.id,
    JobRow.memory_saving,
    JobRow.largest_drop,
    JobRow.parameter_bytes_after,
    JobRow.pruned_accuracy,
    **partial("state = 'succeeded'"),
)  # all that the frontier of results needs of a row


def uses(upload_id: Any) -> ColumnElement[bool]:
    """Whether a job has the upload, given by its id or as a column, for one of its inputs."""
    return or_(JobRow.checkpoint_id == upload_id, JobRow.dataset_id == upload_id, JobRow.train_dataset_id == upload_id)


class BudgetRow(Base):
    """A budget that was asked for of a finished curve, in the order of asking; only ever added.

    The curve is that of the job ``root_id``, which may be deleted: what was asked for of it stays. All budgets of a
    curve limit the same: the accuracy drop, or the disagreement.
    """

    __tablename__ = "curve_budgets"

    root_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.id"))
    job_id: Mapped[str] = mapped_column(String(40), unique=True)
    allowed: Mapped[float] = mapped_column("max_accuracy_drop", Float)
    asked_at: Mapped[datetime] = mapped_column(UtcTime)


class EventRow(Base):
    """Something that happened to a job; only ever added."""

    __tablename__ = "job_events"
    __table_args__ = (Index("ix_job_events_job_id_id", "job_id", "id"),)

    id: Mapped[int] = mapped_column(EVENT_ID, primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UtcTime)
    kind: Mapped[str] = mapped_column(String(20))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)


class ArtifactRow(Base):
    """One file of a finished job."""

    __tablename__ = "artifacts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    blob_key: Mapped[str] = mapped_column(String(300))
    media_type: Mapped[str] = mapped_column(String(100))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))


class IdempotencyRow(Base):
    """A request that was answered, so that sending it again answers the same."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (UniqueConstraint("team_id", "key"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.id"))
    key: Mapped[str] = mapped_column(String(255))
    request_sha256: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class UsageRow(Base):
    """What a team has used on one day; stays when its jobs are deleted."""

    __tablename__ = "team_usage"

    team_id: Mapped[str] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    run_seconds: Mapped[float] = mapped_column(Float, default=0.0)
    gpu_seconds: Mapped[float] = mapped_column(Float, default=0.0)
