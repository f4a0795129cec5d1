"""Jobs for workers: claim, heartbeat, finish. Every write is fenced by the claim's epoch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, true, update
from sqlalchemy.orm import Session

from app.catalog.models import UploadRow
from app.catalog.records import content_of
from app.catalog.states import DEAD, UploadState
from app.db import Database, now
from app.jobs import files, usage
from app.jobs.cells import keep
from app.jobs.claims import lock_claimed
from app.jobs.events import RETRY_FACTORS, move, put_back, record_event, requeue
from app.jobs.figures import keep_figures
from app.jobs.models import ArtifactRow, JobRow, uses
from app.jobs.order import Turn, first_due, turns
from app.jobs.parents import parent_run
from app.jobs.records import Device, HeartbeatReply, JobClaim, StoredArtifact
from app.jobs.similarity import similarity_key
from app.jobs.states import ANY_DEVICE, HELD, NEWER, TERMINAL, JobState
from app.leases import LeaseWatch
from app.metrics import LEASE_EXPIRIES
from app.settings import Settings
from app.turns import Kind, LostRace, first_served, lock_turn, next_served_seq, served_seq_of
from primesvt_client.facts import ProblemFacts, ResultSummary, StepFacts, read_upload
from primesvt_client.progress import Progress

CPU_ONLY: tuple[Device, ...] = ("cpu",)
NOTHING: Mapping[str, Any] = MappingProxyType({})
DUE_AT_ONCE = 100
"""Jobs that a reconciler notifies of: a worker that was notified looks for the next job by itself."""


SHARE_OF_AGE = 0.1
"""How long a job waits that found no room on a disk, as a share of its age, between the waits after other failures."""


class JobQueue:
    """What workers and the reconciler do to jobs."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings = database, settings

    def claim_next(self, owner: str, devices: Collection[Device] = CPU_ONLY) -> JobClaim | None:
        """Take the next job by fair order that the devices can run; None: there is none.

        Workers that claim at the same moment take jobs of different teams: who loses the race for one tries the next.
        """

        def serve(turn: Turn) -> JobClaim | None:
            return self._serve(turn, owner, devices)

        return first_served(lambda: self._turns(devices), serve)

    def claim(self, job_id: str, owner: str, devices: Collection[Device] = CPU_ONLY) -> JobClaim | None:
        """Take this job, if it is due; of many claims at once one wins. None: there is nothing to do."""
        with self.database.session() as session:
            return self._take(session, job_id, owner, devices)

    def _turns(self, devices: Collection[Device] | None) -> list[Turn]:
        with self.database.reading() as session:
            return turns(session, self._is_due(devices))

    def _serve(self, turn: Turn, owner: str, devices: Collection[Device]) -> JobClaim | None:
        """Claim for a team whose turn it is, unless it was served meanwhile.

        Raises:
            LostRace: it was, or is being served.
        """
        with self.database.session() as session:
            lock_turn(session, Kind.JOBS, turn.team)
            if (session.scalar(select(served_seq_of(JobRow, turn.team))) or 0) != turn.served_seq:
                raise LostRace
            first = first_due(turn.team, self._is_due(devices)).limit(1).with_for_update(skip_locked=True)
            job_id = session.scalar(first)
            return None if job_id is None else self._take(session, job_id, owner, devices)

    def _take(self, session: Session, job_id: str, owner: str, devices: Collection[Device]) -> JobClaim | None:
        taken = session.execute(
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.state == JobState.QUEUED.value, self._is_due(devices))
            .values(
                state=JobState.RUNNING.value,
                owner=owner,
                epoch=JobRow.epoch + 1,
                attempts=JobRow.attempts + 1,
                served_seq=next_served_seq(JobRow),
                lease_expires_at=self._lease_end(),
            )
            .execution_options(synchronize_session=False)
        )
        if taken.rowcount != 1:  # type: ignore[attr-defined]
            return None
        row = session.get_one(JobRow, job_id)
        row.started_at = row.started_at or now()
        device: Device = "cuda" if "cuda" in devices and row.wanted_device != "cpu" else "cpu"
        row.runs_on = device
        facts = read_upload(session.get_one(UploadRow, row.checkpoint_id).facts)
        row.similarity_key = similarity_key(facts, device, row.kind)
        record_event(session, job_id, "state", {"state": row.state, "attempt": row.attempts})
        training = session.get_one(UploadRow, row.train_dataset_id) if row.train_dataset_id else None
        return JobClaim(
            job_id=job_id,
            owner=owner,
            epoch=row.epoch,
            device=device,
            spec=row.spec,
            checkpoint=content_of(session.get_one(UploadRow, row.checkpoint_id)),
            dataset=content_of(session.get_one(UploadRow, row.dataset_id)) if row.has_data else None,
            train_dataset=content_of(training) if training else None,
            parent=parent_run(session, row),
            plan=row.plan,
        )

    def heartbeat(
        self,
        claim: JobClaim,
        reports: Iterable[Progress] = (),
        seconds: float = 0.0,
        cells: Mapping[str, Any] = NOTHING,
    ) -> HeartbeatReply:
        """Renew the lease, keep what was reported since, and return whether to stop.

        Args:
            claim: what is renewed.
            reports: progress since the last heartbeat, oldest first.
            seconds: computed since the last heartbeat.
            cells: what the next attempt need not compute again, by key.

        Raises:
            LostClaim: the job is another's.
        """
        with self.database.session() as session:
            row = lock_claimed(session, claim)
            row.lease_expires_at = self._lease_end()
            for report in reports:
                row.progress = report.document()
                record_event(session, row.id, "progress", row.progress)
                _keep_seconds(row, report)
            usage.add(session, row, seconds, claim.device)
            keep(session, claim, cells)
            return HeartbeatReply(cancel_requested=row.state == JobState.CANCELLING.value)

    def finalize(self, claim: JobClaim) -> HeartbeatReply:
        """The computing is done; artifacts are being stored."""
        with self.database.session() as session:
            row = lock_claimed(session, claim)
            row.lease_expires_at = self._lease_end()
            if row.state == JobState.RUNNING.value:
                move(session, row, JobState.FINALIZING)
            return HeartbeatReply(cancel_requested=row.state == JobState.CANCELLING.value)

    def succeed(
        self, claim: JobClaim, artifacts: Iterable[StoredArtifact], verdict: str, summary: ResultSummary
    ) -> None:
        """Artifacts are stored: the job has succeeded, in the same transaction that lists them."""
        with self.database.session() as session:
            row = lock_claimed(session, claim)
            row.verdict, row.summary = verdict, summary.document()
            keep_figures(row, summary)
            stored = [*artifacts]
            for artifact in stored:
                session.merge(ArtifactRow(job_id=row.id, **artifact.__dict__))
            files.listed(session, [artifact.blob_key for artifact in stored])
            files.keep_repairs(session, claim)
            move(session, row, JobState.SUCCEEDED, verdict=verdict)

    def fail(self, claim: JobClaim, problem: ProblemFacts) -> None:
        """The inputs are wrong: trying again would end the same way."""
        with self.database.session() as session:
            row = lock_claimed(session, claim)
            row.problem = problem.document()
            move(session, row, JobState.FAILED, problem=row.problem)

    def stopped(self, claim: JobClaim) -> None:
        """The worker has stopped as asked."""
        with self.database.session() as session:
            move(session, lock_claimed(session, claim), JobState.CANCELLED)

    def release(self, claim: JobClaim, problem: ProblemFacts) -> None:
        """The child died: back to the queue, later each time, until the attempts are used up."""
        with self.database.session() as session:
            requeue(session, lock_claimed(session, claim), problem, self.settings)

    def hand_back(self, claim: JobClaim) -> None:
        """The worker is being shut down: back to the queue at once; the attempt does not count."""
        with self.database.session() as session:
            self._uncounted(session, lock_claimed(session, claim), "the worker was shut down", 0.0)

    def postpone(self, claim: JobClaim, reason: str) -> None:
        """The disk is full: back to the queue, for longer the older the job is; the attempt does not count."""
        with self.database.session() as session:
            row = lock_claimed(session, claim)
            age_seconds = (now() - row.created_at).total_seconds()
            shortest, longest = (self.settings.retry_seconds * factor for factor in (1, RETRY_FACTORS[-1]))
            self._uncounted(session, row, reason, min(max(shortest, age_seconds * SHARE_OF_AGE), longest))

    @staticmethod
    def _uncounted(session: Session, row: JobRow, reason: str, wait_seconds: float) -> None:
        row.attempts -= 1
        if row.state == JobState.CANCELLING.value:
            move(session, row, JobState.CANCELLED)
        else:
            put_back(session, row, reason, wait_seconds)

    def reconcile(self, watch: LeaseWatch) -> list[str]:
        """Put right what nobody looks after; returns the queued jobs that could be claimed now, in fair order.

        Args:
            watch: of the jobs' leases, kept from one call to the next.
        """
        self._take_back(watch)
        with self.database.session() as session:
            self._fail_dependents(session)
        return self.due(DUE_AT_ONCE)

    def _take_back(self, watch: LeaseWatch) -> None:
        """Requeue jobs whose workers have fallen silent."""
        is_held = JobRow.state.in_([state.value for state in HELD])
        with self.database.session() as session:
            columns = select(JobRow.id, JobRow.epoch, JobRow.lease_expires_at).where(is_held)
            renewals = {job_id: (epoch, renewed) for job_id, epoch, renewed in session.execute(columns)}
        for job_id in sorted(watch.silent(renewals)):
            with self.database.session() as session:
                row = session.get(JobRow, job_id, with_for_update={"skip_locked": True})
                # A heartbeat, or another reconciler, may have been faster.
                if row is not None and row.state in HELD and (row.epoch, row.lease_expires_at) == renewals[job_id]:
                    requeue(session, row, ProblemFacts(detail="the worker was not heard of any more"), self.settings)
                    LEASE_EXPIRIES.labels("job").inc()

    def due(self, limit: int, devices: Collection[Device] | None = None) -> list[str]:
        """Queued jobs that could be claimed now, in fair order; only those for the devices, if any are given."""
        found: list[str] = []
        with self.database.reading() as session:
            for turn in turns(session, is_due := self._is_due(devices)):
                found += session.scalars(first_due(turn.team, is_due).limit(limit - len(found)))
                if len(found) >= limit:
                    break
        return found

    def unfinished(self, job_ids: Iterable[str]) -> set[str]:
        """Those of the jobs that are not over."""
        over = [state.value for state in TERMINAL]
        with self.database.session() as session:
            return {*session.scalars(select(JobRow.id).where(JobRow.id.in_([*job_ids]), JobRow.state.not_in(over)))}

    def _fail_dependents(self, session: Session) -> None:
        """Jobs that wait for an upload which was rejected have failed."""
        dead = select(UploadRow).where(UploadRow.state.in_([s.value for s in DEAD]))
        for upload in session.scalars(
            dead.join(JobRow, uses(UploadRow.id)).where(JobRow.state == JobState.QUEUED.value)
        ):
            waiting = select(JobRow).where(uses(upload.id), JobRow.state == JobState.QUEUED.value)
            # Skipped where locked: it is being cancelled, and what is over never changes.
            for row in session.scalars(waiting.with_for_update(skip_locked=True)):
                never = ProblemFacts(code="upload_expired", detail=f"{upload.name} was never completed")
                row.problem = upload.problem or never.document()
                move(session, row, JobState.FAILED, problem=row.problem)

    def _is_due(self, devices: Collection[Device] | None) -> ColumnElement[bool]:
        """Whether a waiting job could be claimed now, by a worker with the devices if any are given."""
        longest = timedelta(seconds=self.settings.retry_seconds * max(RETRY_FACTORS))
        # No wait is longer than the longest: one that ends later was begun before the wall clock was set back.
        waited = or_(JobRow.not_before <= now(), JobRow.not_before > now() + longest)
        wanted = (*(devices or ()), ANY_DEVICE)
        fits = true() if devices is None else JobRow.device.in_([*wanted, *(f"{one}{NEWER}" for one in wanted)])
        return and_(waited, fits, _uploads_ready())

    def _lease_end(self) -> Any:
        return now() + timedelta(seconds=self.settings.lease_seconds)


def _keep_seconds(row: JobRow, report: Progress) -> None:
    """Keep the duration that a finished step reports."""
    if isinstance(report.facts, StepFacts):
        row.step_seconds = {**(row.step_seconds or {}), str(report.step): report.facts.seconds}


def _uploads_ready() -> Any:
    """No upload of the job is anything but ready."""
    waiting = select(UploadRow.id).where(uses(UploadRow.id), UploadRow.state != UploadState.READY.value)
    return ~waiting.correlate(JobRow).exists()
