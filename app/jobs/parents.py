"""Finished jobs of whose curves other jobs take other points, and the budgets that were asked for of each curve."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from app.db import Database, now
from app.errors import JobInUse, NotFound, ParentNotFinished, ParentResultsGone
from app.jobs.files import repairs_of
from app.jobs.models import ArtifactRow, BudgetRow, JobRow
from app.jobs.recency import touch_job
from app.jobs.records import ParentRun, StoredArtifact
from app.jobs.states import TERMINAL, JobState
from app.storage import BlobMissing, BlobStore
from app.teams.members import lock_team
from primesvt_core import __version__
from primesvt_core.errors import NotRetargetable
from primesvt_core.method.finished_curve import FinishedCurve
from primesvt_core.report.finished import finished_curve
from primesvt_core.report.schema import Report
from primesvt_core.workspace import reuse

REPORT = "report.json"
NEEDED = (REPORT, reuse.FILE)
"""What another budget needs of a job's artifacts: the curve, and what was computed for it."""

LARGEST_REPORT = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Parent:
    """A finished job, for another budget.

    Attributes:
        job_id: its own.
        name: its own.
        root_id: the job that found the curve; itself, unless it is another budget.
        runs_on: where its curve was computed, and all points of it must be.
        spec: its constraint spec.
        checkpoint_id: its inputs.
        dataset_id: likewise.
        train_dataset_id: likewise.
        curve: that it found.
    """

    job_id: str
    name: str
    root_id: str
    runs_on: str | None
    spec: dict[str, Any]
    checkpoint_id: str
    dataset_id: str
    train_dataset_id: str | None
    curve: FinishedCurve


def open_parent(database: Database, store: BlobStore, team: str, job_id: str) -> Parent:
    """A job of whose curve another point can be taken.

    Raises:
        NotFound: the team has none of that id.
        ParentNotFinished: it has not succeeded.
        ParentResultsGone: its results are deleted, or cannot be read.
        NotRetargetable: no other budget can be promised of it.
    """
    with database.reading() as session:
        row = _succeeded(session, team, job_id)
        if row.plan is not None:
            raise NotRetargetable(f"the job {job_id} carried out a given plan, which is one point; submit a search")
        stored = _needed(session, job_id)[REPORT]
    report = _report(store, job_id, stored)
    if report.primesvt_version != __version__:
        raise NotRetargetable(
            f"the job {job_id} was computed by PrimeSVT {report.primesvt_version}, and this is {__version__}: what one"
            " computed is not put together with what the other does; submit a search"
        )
    return Parent(
        job_id=job_id, name=row.name, root_id=row.root_id or job_id, runs_on=row.runs_on, spec=row.spec,
        checkpoint_id=row.checkpoint_id, dataset_id=row.dataset_id, train_dataset_id=row.train_dataset_id,
        curve=finished_curve(run_name(job_id), report),
    )  # fmt: skip


def hold(session: Session, team: str, job_id: str) -> None:
    """Make sure, in the transaction that adds another budget, that its parent and the results are still there.

    From then on they stay until that job is over.

    Raises:
        NotFound: it was deleted meanwhile.
        ParentResultsGone: its results were.
    """
    row = session.get(JobRow, job_id, with_for_update=True)
    if row is None or row.team_id != team:
        raise NotFound(f"there is no job {job_id[:60]}")
    _needed(session, job_id)
    touch_job(session, row)


def ask(session: Session, child: JobRow, allowed: float) -> None:
    """Write down a budget that is asked for of a curve, behind those that were asked for before.

    With the team locked: of two that ask at once each has a number of its own, and the second one sees the first.
    """
    lock_team(session, child.team_id)
    last = select(func.max(BudgetRow.number)).where(BudgetRow.root_id == child.root_id)
    session.add(
        BudgetRow(
            root_id=child.root_id, number=(session.scalar(last) or 0) + 1, team_id=child.team_id, job_id=child.id,
            allowed=allowed, asked_at=now(),
        )
    )  # fmt: skip


def parent_run(session: Session, child: JobRow) -> ParentRun | None:
    """What a worker needs of the parent of a job; None of a job without one."""
    if child.parent_id is None:
        return None
    asked = session.scalars(select(BudgetRow).where(BudgetRow.job_id == child.id)).one()
    before = select(BudgetRow.allowed).where(BudgetRow.root_id == asked.root_id)
    before = before.where(BudgetRow.number < asked.number).order_by(BudgetRow.number)
    return ParentRun(
        job_id=child.parent_id,
        by_disagreement=child.spec["budget"].get("max_disagreement") is not None,
        allowed=asked.allowed,
        budgets=tuple(session.scalars(before)),
        files=_files(session, child.parent_id, NEEDED),
        repairs=tuple(repairs_of(session, asked.root_id)),
    )


def check_unused(session: Session, job_id: str) -> None:
    """Refuse to delete the results of a job that others still need.

    Raises:
        JobInUse: another budget of it is not over.
    """
    if child := session.scalar(unfinished_children(job_id).limit(1)):
        raise JobInUse(f"the job {child} takes another point of this one's curve, and is not over; cancel it first")


def unfinished_children(job_id: Any) -> Select[str]:
    """Jobs that take another point of a job's curve, given by its id or as a column, and are not over."""
    over = [state.value for state in TERMINAL]
    child = aliased(JobRow)
    return select(child.id).where(child.parent_id == job_id, child.state.not_in(over))


def _succeeded(session: Session, team: str, job_id: str) -> JobRow:
    row = session.get(JobRow, job_id)
    if row is None or row.team_id != team:
        raise NotFound(f"there is no job {job_id[:60]}")
    if row.state != JobState.SUCCEEDED.value:
        raise ParentNotFinished(f"the job {job_id} is {row.state}; another budget can be asked for once it succeeded")
    return row


def _needed(session: Session, job_id: str) -> dict[str, StoredArtifact]:
    """The artifacts that another budget needs.

    Raises:
        ParentResultsGone: one of them is not there.
    """
    found = _files(session, job_id, NEEDED)
    if missing := [name for name in NEEDED if name not in found]:
        raise ParentResultsGone(gone(job_id, missing))
    return found


def run_name(job_id: str) -> str:
    """What a job is called in texts of the library about its curve."""
    return f"the job {job_id}"


def gone(job_id: str, missing: Collection[str]) -> str:
    """That results of a job are deleted, and what to do."""
    return f"{' and '.join(missing)} of the job {job_id} are not stored any more; submit a search with the other budget"


def _files(session: Session, job_id: str, names: Collection[str]) -> dict[str, StoredArtifact]:
    rows = session.scalars(select(ArtifactRow).where(ArtifactRow.job_id == job_id, ArtifactRow.name.in_(names)))
    return {
        row.name: StoredArtifact(
            name=row.name, media_type=row.media_type, size_bytes=row.size_bytes, sha256=row.sha256,
            blob_key=row.blob_key,
        )
        for row in rows
    }  # fmt: skip


def _report(store: BlobStore, job_id: str, stored: StoredArtifact) -> Report:
    try:
        if stored.size_bytes > LARGEST_REPORT:
            raise ParentResultsGone(f"the report of the job {job_id} is too large to be read; submit a search")
        return Report.model_validate_json(b"".join(store.open(stored.blob_key)))
    except BlobMissing:
        raise ParentResultsGone(gone(job_id, [REPORT])) from None
    except ValidationError:
        raise ParentResultsGone(
            f"this version cannot read the report of the job {job_id}; submit a search with the other budget"
        ) from None
