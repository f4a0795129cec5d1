"""Moving a job from state to state, and writing down that it moved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.db import now
from app.jobs.cell_models import CellRow
from app.jobs.models import EventRow, JobRow
from app.jobs.states import TERMINAL, JobState, is_legal
from app.settings import Settings
from app.webhooks.outbox import announce
from primesvt_client.facts import ProblemFacts

RETRY_FACTORS = (0, 1, 6, 24)
"""Waits before the second, third ... attempt of a job whose worker died, in times of the setting."""


def move(session: Session, row: JobRow, after: JobState, **data: Any) -> None:
    """Bring a job into another state, in the caller's transaction.

    Raises:
        ValueError: for a move that is not legal; a defect.
    """
    before = JobState(row.state)
    if not is_legal(before, after):
        raise ValueError(f"job {row.id} cannot go from {before} to {after}")
    row.state = after.value
    if after in TERMINAL:
        row.finished_at = now()
        session.execute(delete(CellRow).where(CellRow.job_id == row.id))
    if after is JobState.QUEUED:  # what its worker has not computed, others may; what helpers compute, they go on with
        mine = update(CellRow).where(CellRow.job_id == row.id, CellRow.owner == row.owner)
        session.execute(mine.values(owner=None))
    if after in TERMINAL or after is JobState.QUEUED:
        row.owner = row.lease_expires_at = None
    record_event(session, row.id, "state", {"state": after.value, **data})
    if after in TERMINAL:
        announce(session, row.team_id, f"job.{after}", _summary(row))


def _summary(row: JobRow) -> dict[str, Any]:
    """What webhooks are sent of a job that is over."""
    fields = ("id", "name", "state", "verdict", "summary", "problem", "retry_of", "checkpoint_id", "dataset_id")
    times = ("created_at", "started_at", "finished_at")
    moments = {name: getattr(row, name) for name in times}
    found = {name: getattr(row, name) for name in fields} | {
        name: moment and moment.isoformat() for name, moment in moments.items()
    }
    without_data = {} if row.has_data else {"dataset_id": ""}
    return found | without_data | ({} if row.parent_id is None else {"parent_id": row.parent_id})


def record_event(session: Session, job_id: str, kind: str, data: Mapping[str, Any]) -> None:
    """Add to a job's events.

    The job is locked: ids of events are given out in the order in which they are written, and followers go on behind
    the last one they saw, so that no event may be committed after one with a higher id.
    """
    session.execute(select(JobRow.id).where(JobRow.id == job_id).with_for_update())
    session.add(EventRow(job_id=job_id, at=now(), kind=kind, data=dict(data)))


def requeue(session: Session, row: JobRow, problem: ProblemFacts, settings: Settings) -> None:
    """Give a job that lost its worker back to the queue, later each time; after the last attempt it has failed."""
    if row.state == JobState.CANCELLING.value:
        move(session, row, JobState.CANCELLED)
    elif row.attempts >= settings.max_attempts:
        lost = f"the worker died {row.attempts} times at this job, last: {problem.detail}"
        row.problem = ProblemFacts(code="worker_lost", detail=lost).document()
        move(session, row, JobState.FAILED, problem=row.problem)
    else:
        factor = RETRY_FACTORS[min(row.attempts, len(RETRY_FACTORS)) - 1]
        put_back(session, row, problem.detail or "", settings.retry_seconds * factor)


def put_back(session: Session, row: JobRow, reason: str, wait_seconds: float) -> None:
    """Give a job back to the queue, not to be claimed before ``wait_seconds`` have passed."""
    row.not_before = now() + timedelta(seconds=wait_seconds)
    move(session, row, JobState.QUEUED, reason=reason)
