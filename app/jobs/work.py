"""Jobs for workers: claim, heartbeat, finish. Every write is fenced by the claim's epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, or_, select, update
from sqlalchemy.orm import Session

from app.catalog.models import UploadRow
from app.catalog.records import content
from app.catalog.states import DEAD, UploadState
from app.db import Database, now
from app.errors import LostClaim
from app.jobs.events import move, note, put_back, requeue
from app.jobs.models import ArtifactRow, JobRow
from app.jobs.records import Beat, JobClaim, StoredArtifact
from app.jobs.states import HELD, TERMINAL, JobState
from app.settings import Settings


class JobWork:
    """What workers and the reconciler do to jobs."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings = database, settings

    def claim(self, job_id: str, owner: str) -> JobClaim | None:
        """Take a queued job whose uploads are ready; of many claims at once one wins. None: nothing to do."""
        with self.database.session() as session:
            taken = session.execute(
                update(JobRow)
                .where(JobRow.id == job_id, JobRow.state == JobState.QUEUED.value, JobRow.not_before <= now())
                .where(_uploads_ready())
                .values(
                    state=JobState.RUNNING.value,
                    owner=owner,
                    epoch=JobRow.epoch + 1,
                    attempts=JobRow.attempts + 1,
                    lease_expires_at=self._lease_end(),
                )
            )
            if taken.rowcount != 1:  # type: ignore[attr-defined]
                return None
            row = session.get_one(JobRow, job_id)
            row.started_at = row.started_at or now()
            note(session, job_id, "state", {"state": row.state, "attempt": row.attempts})
            training = session.get_one(UploadRow, row.train_dataset_id) if row.train_dataset_id else None
            return JobClaim(
                job_id=job_id,
                owner=owner,
                epoch=row.epoch,
                spec=row.spec,
                checkpoint=content(session.get_one(UploadRow, row.checkpoint_id)),
                dataset=content(session.get_one(UploadRow, row.dataset_id)),
                train_dataset=content(training) if training else None,
            )

    def heartbeat(self, claim: JobClaim, reports: Iterable[Mapping[str, Any]] = ()) -> Beat:
        """Renew the lease, keep what was reported since, and hear whether to stop.

        Raises:
            LostClaim: the job is another's.
        """
        with self.database.session() as session:
            row = self._held(session, claim)
            row.lease_expires_at = self._lease_end()
            for report in reports:
                row.progress = dict(report)
                note(session, row.id, "progress", report)
            return Beat(cancel_requested=row.state == JobState.CANCELLING.value)

    def finalize(self, claim: JobClaim) -> Beat:
        """The computing is done; artifacts are being stored."""
        with self.database.session() as session:
            row = self._held(session, claim)
            row.lease_expires_at = self._lease_end()
            if row.state == JobState.RUNNING.value:
                move(session, row, JobState.FINALIZING)
            return Beat(cancel_requested=row.state == JobState.CANCELLING.value)

    def succeed(
        self, claim: JobClaim, artifacts: Iterable[StoredArtifact], verdict: str, summary: dict[str, Any]
    ) -> None:
        """Artifacts are stored: the job has succeeded, in the same transaction that lists them."""
        with self.database.session() as session:
            row = self._held(session, claim)
            row.verdict, row.summary = verdict, summary
            for artifact in artifacts:
                session.merge(ArtifactRow(job_id=row.id, **artifact.__dict__))
            move(session, row, JobState.SUCCEEDED, verdict=verdict)

    def fail(self, claim: JobClaim, problem: dict[str, Any]) -> None:
        """The inputs are wrong: trying again would end the same way."""
        with self.database.session() as session:
            row = self._held(session, claim)
            row.problem = problem
            move(session, row, JobState.FAILED, problem=problem)

    def stopped(self, claim: JobClaim) -> None:
        """The worker has stopped as asked."""
        with self.database.session() as session:
            move(session, self._held(session, claim), JobState.CANCELLED)

    def release(self, claim: JobClaim, problem: dict[str, Any]) -> None:
        """The child died: back to the queue, later each time, until the attempts are used up."""
        with self.database.session() as session:
            requeue(session, self._held(session, claim), problem, self.settings)

    def hand_back(self, claim: JobClaim) -> None:
        """The worker is being shut down: back to the queue at once; the attempt does not count."""
        with self.database.session() as session:
            row = self._held(session, claim)
            row.attempts -= 1
            if row.state == JobState.CANCELLING.value:
                move(session, row, JobState.CANCELLED)
            else:
                put_back(session, row, "the worker was shut down", 0.0)

    def reconcile(self) -> list[str]:
        """Put right what nobody looks after; returns the queued jobs that could be claimed now."""
        with self.database.session() as session:
            expired = select(JobRow).where(JobRow.state.in_([s.value for s in HELD]), JobRow.lease_expires_at < now())
            for row in session.scalars(expired.with_for_update(skip_locked=True)):
                problem = {"detail": "the worker was not heard of any more"}
                requeue(session, row, problem, self.settings)
            self._fail_dependents(session)
            return [*session.scalars(_due())]

    def due(self, limit: int) -> list[str]:
        """Queued jobs that could be claimed now, oldest first."""
        with self.database.session() as session:
            return [*session.scalars(_due().limit(limit))]

    def unfinished(self, job_ids: Iterable[str]) -> set[str]:
        """Those of the jobs that are not over."""
        over = [state.value for state in TERMINAL]
        with self.database.session() as session:
            return {*session.scalars(select(JobRow.id).where(JobRow.id.in_([*job_ids]), JobRow.state.not_in(over)))}

    def _fail_dependents(self, session: Session) -> None:
        """Jobs that wait for an upload which was rejected have failed."""
        dead = select(UploadRow).where(UploadRow.state.in_([s.value for s in DEAD]))
        for upload in session.scalars(
            dead.join(JobRow, _uses(UploadRow.id)).where(JobRow.state == JobState.QUEUED.value)
        ):
            waiting = select(JobRow).where(_uses(upload.id), JobRow.state == JobState.QUEUED.value)
            # Skipped where locked: it is being cancelled, and what is over never changes.
            for row in session.scalars(waiting.with_for_update(skip_locked=True)):
                row.problem = upload.problem or {
                    "code": "upload_expired",
                    "detail": f"{upload.name} was never completed",
                }
                move(session, row, JobState.FAILED, problem=row.problem)

    def _lease_end(self) -> Any:
        return now() + timedelta(seconds=self.settings.lease_seconds)

    @staticmethod
    def _held(session: Session, claim: JobClaim) -> JobRow:
        row = session.get(JobRow, claim.job_id, with_for_update=True)
        if row is None or row.owner != claim.owner or row.epoch != claim.epoch or JobState(row.state) not in HELD:
            raise LostClaim(f"the claim {claim.epoch} on job {claim.job_id} does not hold any more")
        return row


def _uses(upload_id: Any) -> Any:
    return or_(JobRow.checkpoint_id == upload_id, JobRow.dataset_id == upload_id, JobRow.train_dataset_id == upload_id)


def _due() -> Select[str]:
    waiting = select(JobRow.id).where(JobRow.state == JobState.QUEUED.value, JobRow.not_before <= now())
    return waiting.where(_uploads_ready()).order_by(JobRow.id)


def _uploads_ready() -> Any:
    """No upload of the job is anything but ready."""
    waiting = select(UploadRow.id).where(_uses(UploadRow.id), UploadRow.state != UploadState.READY.value)
    return ~waiting.correlate(JobRow).exists()
