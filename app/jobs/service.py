"""Jobs for clients: submit, look at, cancel, retry, delete. Every query takes the team."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict

from sqlalchemy import func, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.catalog.models import UploadRow
from app.catalog.offers import find_offered, is_registered, lock_offers
from app.catalog.recency import touch_uploads
from app.catalog.states import DEAD, UploadKind, UploadState
from app.db import Database, now
from app.errors import Conflict, IdempotencyConflict, Invalid, JobFinished, NotFound, UploadNotReady
from app.ids import new_id
from app.jobs import files
from app.jobs.asked import Asked, asked_alone, asked_of, check_another_budget
from app.jobs.events import move, record_event
from app.jobs.filters import JobFilter
from app.jobs.listing import JobLists
from app.jobs.models import ArtifactRow, EventRow, IdempotencyRow, JobRow, JobTagRow
from app.jobs.order import places_of
from app.jobs.parents import ask, check_unused, hold, open_parent
from app.jobs.places import Places
from app.jobs.recency import touch_job
from app.jobs.records import Artifact, Job, JobEvent, ListedJob, NewJob, StoredArtifact, record
from app.jobs.sorting import JOB_PREFIX
from app.jobs.states import JobState
from app.jobs.tags import set_tags, tidied
from app.names import printable
from app.paging import Page
from app.queue import Notifier
from app.storage import PRESIGNED_URL_SECONDS, BlobStore, SavedAs
from app.teams import audit
from app.teams.actors import actor
from app.teams.admission import Admission
from primesvt_client.another_budget import limit_of
from primesvt_client.facts import CheckpointFacts, DataSetFacts, ProblemFacts, read
from primesvt_client.states import Archived, Priority
from primesvt_core.preflight import Inputs, Preflight


class JobService:
    """A team's jobs."""

    def __init__(self, database: Database, store: BlobStore, notifier: Notifier, admission: Admission) -> None:
        self.database, self.store, self.notifier, self.admission = database, store, notifier, admission
        self.places = Places()

    def submit(self, team: str, new: NewJob, idempotency_key: str | None = None, retry_of: str | None = None) -> Job:
        """Queue a job; with the same idempotency key the same job is returned.

        Raises:
            PrimeSVTError: the constraint spec is wrong, or the run would refuse it for these uploads (`preflight`).
            TooLarge: it, or the plan, is larger than it may be.
            NotFound: the team has no such upload, or parent.
            ParentNotFinished: another budget is asked for of a job that has not succeeded.
            ParentResultsGone: its results are deleted.
            UploadNotReady: an upload was rejected or has expired.
            IdempotencyConflict: the key was used for another request.
            QuotaExceeded: the team has as many jobs, or used as much, as it may.
        """
        digest = _digest(new)
        if idempotency_key is not None:  # before a parent is looked for, which may be deleted by now
            with self.database.reading() as session:
                known = self._answered(session, team, idempotency_key, digest)
            if known is not None:
                return self.get(team, known)
        asked = self.resolved(team, new)
        try:
            job_id, is_new = self._submit(team, asked, digest, idempotency_key, retry_of)
        except IntegrityError:  # two requests with one key at the same time: the other one made the job
            job_id, is_new = self._submit(team, asked, digest, idempotency_key, retry_of)
        if is_new:
            self.notifier.notify_job(job_id)
        return self.get(team, job_id)

    def resolved(self, team: str, new: NewJob) -> Asked:
        """What a request comes to: with the inputs and the spec of its parent, if it is another budget.

        Raises:
            PrimeSVTError: the constraint spec or the plan is wrong, or no other budget can be promised.
            TooLarge: the spec, or the plan, is larger than it may be.
            Invalid: the request has what its kind of job cannot have.
            NotFound: the team has no such parent.
            ParentNotFinished: the parent has not succeeded.
            ParentResultsGone: its results are deleted.
        """
        if new.parent_id is None:
            return asked_alone(new)
        budget = check_another_budget(new)
        return asked_of(new, open_parent(self.database, self.store, team, new.parent_id), budget)

    def _submit(self, team: str, asked: Asked, digest: str, key: str | None, retry_of: str | None) -> tuple[str, bool]:
        with self.database.session() as session:
            known = self._answered(session, team, key, digest)
            if known is not None:
                return known, False
            self.admission.admit_job(session, team)
            row = self._new_row(session, team, asked)
            row.retry_of = retry_of
            session.add(row)
            session.flush()
            set_tags(session, row, tidied(asked.new.tags))
            if asked.budget is not None:
                ask(session, row, asked.budget.allowed_drop or 0.0)
            if key is not None:
                answered = IdempotencyRow(
                    id=new_id("idem"), team_id=team, key=key, request_sha256=digest, job_id=row.id
                )
                answered.created_at = now()
                session.add(answered)
            record_event(session, row.id, "state", {"state": row.state})
            audit.record(session, team, "job.submit", row.id, name=row.name, retry_of=retry_of)
        return row.id, True

    def preflight(self, team: str, asked: Asked) -> Preflight:
        """What is known of a job before it is queued, from what validation found; nothing is queued.

        Raises:
            NotFound: the team has no such upload.
            UploadNotReady: an upload was rejected or has expired.
        """
        with self.database.reading() as session:
            return _preflight(asked, *_uploads(session, team, asked.new))

    def get(self, team: str, job_id: str) -> Job:
        """One job.

        Raises:
            NotFound: the team has none of that id.
        """
        with self.database.session() as session:
            row = _row(session, team, job_id)
            return record(row, places_of(session, team, [row]).get(job_id))

    def many(self, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], Job]:
        """Those of the jobs, each of a team, that there are; their places in the queue as of up to a second ago."""
        with self.database.reading() as session:
            query = select(JobRow).where(tuple_(JobRow.team_id, JobRow.id).in_(wanted))
            rows = {(row.team_id, row.id): row for row in session.scalars(query)}
            waiting: dict[str, list[str]] = {}
            for (team, job_id), row in rows.items():
                if row.state == JobState.QUEUED.value:
                    waiting.setdefault(team, []).append(job_id)
            places = {team: self.places.of(session, team, ids) for team, ids in waiting.items()}
            return {key: record(row, places.get(key[0], {}).get(key[1])) for key, row in rows.items()}

    def search(
        self,
        team: str,
        states: Sequence[JobState] = (),
        query: str = "",
        cursor: str | None = None,
        limit: int = 50,
        *,
        parent_id: str | None = None,
    ) -> Page[ListedJob]:
        """Jobs without their specs, newest first; archived ones, too.

        Args:
            team: whose they are.
            states: of them; any if none is given.
            query: part of a name or of a note.
            cursor: of an earlier page.
            limit: most of them.
            parent_id: of whose curve they take another point, if given.
        """
        wanted = JobFilter(
            states=tuple(states), text=query, parent_id=parent_id or "", archived=Archived.INCLUDE
        )  # fmt: skip
        return JobLists(self.database).search(team, wanted, cursor=cursor, limit=limit)

    def cancel(self, team: str, job_id: str) -> Job:
        """Stop a job: at once if it waits, otherwise at its worker's next heartbeat. Asking again changes nothing.

        Raises:
            JobFinished: it has succeeded or failed already.
        """
        with self.database.session() as session:
            row = _row(session, team, job_id, lock=True)
            state = JobState(row.state)
            if state is JobState.QUEUED:
                move(session, row, JobState.CANCELLED)
            elif state in (JobState.RUNNING, JobState.FINALIZING):
                move(session, row, JobState.CANCELLING)
            elif state in (JobState.SUCCEEDED, JobState.FAILED):
                raise JobFinished(f"the job has {state}; there is nothing to cancel")
            audit.record(session, team, "job.cancel", job_id)
        return self.get(team, job_id)

    def prioritise(self, team: str, job_id: str, priority: Priority) -> Job:
        """Let a waiting job go before or behind the team's others.

        Raises:
            Conflict: it does not wait any more.
        """
        with self.database.session() as session:
            row = _row(session, team, job_id, lock=True)
            if row.state != JobState.QUEUED.value:
                raise Conflict(f"the job is {row.state}; only a job that waits has a priority to change")
            row.priority = priority.rank
            audit.record(session, team, "job.prioritise", job_id, priority=priority.value)
        return self.get(team, job_id)

    def retry(self, team: str, job_id: str) -> Job:
        """A new job with the inputs of one that failed or was cancelled.

        Raises:
            Conflict: the job is not over, or has succeeded.
        """
        job = self.get(team, job_id)
        if job.state not in (JobState.FAILED, JobState.CANCELLED):
            raise Conflict(f"the job is {job.state}; only failed and cancelled jobs can be tried again")
        new = NewJob(
            checkpoint_id=job.checkpoint_id, dataset_id=job.dataset_id, spec=job.spec, name=job.name,
            train_dataset_id=job.train_dataset_id, priority=job.priority, plan=job.plan, tags=job.tags, note=job.note,
        )  # fmt: skip
        if job.parent_id is not None:
            budget = limit_of(job.spec["budget"])
            new = NewJob(
                checkpoint_id="", dataset_id="", spec={"budget": budget}, name=job.name, priority=job.priority,
                parent_id=job.parent_id, tags=job.tags, note=job.note,
            )  # fmt: skip
        return self.submit(team, new, retry_of=job_id)

    def delete(self, team: str, job_id: str) -> None:
        """Forget a finished job with its artifacts.

        Raises:
            Conflict: the job is not over.
            JobInUse: another budget of it is not over, which needs its results.
        """
        with self.database.session() as session:
            row = _row(session, team, job_id, lock=True)
            if not JobState(row.state).is_terminal:
                raise Conflict(f"the job is {row.state}; cancel it first")
            check_unused(session, job_id)
            keys = [*session.scalars(select(ArtifactRow.blob_key).where(ArtifactRow.job_id == job_id))]
            keys += files.keys_of(session, job_id)
        # The bytes first, and nothing comes to a job that is over: if this is cut short, it can be requested again.
        for key in keys:
            self.store.delete(key)
        with self.database.session() as session:
            row = _row(session, team, job_id, lock=True)
            for table in (ArtifactRow, EventRow, IdempotencyRow, JobTagRow):
                session.query(table).where(table.job_id == job_id).delete()
            session.delete(row)
            audit.record(session, team, "job.delete", job_id, name=row.name)

    def events(self, team: str, job_id: str, after: int = 0, limit: int = 500) -> list[JobEvent]:
        """What happened after the event ``after``, oldest first."""
        with self.database.session() as session:
            _row(session, team, job_id)
            query = (
                select(EventRow)
                .where(EventRow.job_id == job_id, EventRow.id > after)
                .order_by(EventRow.id)
                .limit(limit)
            )
            return [_event(row) for row in session.scalars(query)]

    def recent_events(self, team: str, job_id: str, limit: int) -> list[JobEvent]:
        """The last events of a job, oldest first."""
        with self.database.session() as session:
            _row(session, team, job_id)
            query = select(EventRow).where(EventRow.job_id == job_id).order_by(EventRow.id.desc()).limit(limit)
            return [_event(row) for row in reversed([*session.scalars(query)])]

    def last_events(self, job_ids: Collection[str]) -> dict[str, int]:
        """Ids of the last events of those of the jobs that there are, of all teams: for whoever was let in before."""
        last = select(func.max(EventRow.id)).where(EventRow.job_id == JobRow.id).scalar_subquery()
        with self.database.reading() as session:
            rows = session.execute(select(JobRow.id, last).where(JobRow.id.in_(job_ids)))
            return {job_id: event_id or 0 for job_id, event_id in rows}

    def artifacts(self, team: str, job_id: str) -> list[Artifact]:
        """The files of a finished job, by name."""
        with self.database.session() as session:
            _row(session, team, job_id)
            query = select(ArtifactRow).where(ArtifactRow.job_id == job_id).order_by(ArtifactRow.name)
            return [_artifact(row) for row in session.scalars(query)]

    def artifact(self, team: str, job_id: str, name: str) -> StoredArtifact:
        """One file, and where it lies.

        Raises:
            NotFound: the job has none of that name.
        """
        with self.database.session() as session:
            job = _row(session, team, job_id)
            row = session.get(ArtifactRow, (job_id, name))
            if row is None:
                raise NotFound(f"the job has no artifact {name[:100]!r}")
            touch_job(session, job)
            return StoredArtifact(**asdict(_artifact(row)), blob_key=row.blob_key)

    def read(self, artifact: StoredArtifact, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Bytes of a file."""
        return self.store.open(artifact.blob_key, start, length)

    def presigned_url(self, artifact: StoredArtifact, saved_as: SavedAs) -> str | None:
        """Where a client may fetch a file itself; None where it cannot reach the storage."""
        return self.store.presigned_url(artifact.blob_key, saved_as, PRESIGNED_URL_SECONDS)

    @staticmethod
    def _answered(session: Session, team: str, key: str | None, digest: str) -> str | None:
        if key is None:
            return None
        known = session.scalar(select(IdempotencyRow).where(IdempotencyRow.team_id == team, IdempotencyRow.key == key))
        if known is None:
            return None
        if known.request_sha256 != digest:
            raise IdempotencyConflict("this Idempotency-Key was used for another request; use a new one")
        return known.job_id

    @staticmethod
    def _new_row(session: Session, team: str, asked: Asked) -> JobRow:
        new = asked.new
        if asked.parent is not None:
            hold(session, team, asked.parent.job_id)
        used = [new.checkpoint_id, new.dataset_id, new.train_dataset_id]
        touch_uploads(session, team, [upload_id for upload_id in used if upload_id])
        lock_offers(session, [upload_id for upload_id in used if upload_id])
        checkpoint, data = _uploads(session, team, new)
        _preflight(asked, checkpoint, data).check()
        usual = checkpoint.name if data is None else f"{checkpoint.name} on {data.name}"
        return JobRow(
            id=new_id(JOB_PREFIX), team_id=team, name=printable(new.name or usual),
            checkpoint_id=checkpoint.id, dataset_id=(data or checkpoint).id, train_dataset_id=new.train_dataset_id,
            spec=asked.spec.model_dump(mode="json", exclude_unset=True), plan=new.plan,
            parent_id=new.parent_id, root_id=asked.parent.root_id if asked.parent else None,
            state=JobState.QUEUED.value, created_at=now(), not_before=now(), epoch=0, attempts=0,
            priority=new.priority.rank, device=asked.device, tags=[], note=new.note,
            submitted_by=actor().name or None, submitter_kind=actor().kind.value,
        )  # fmt: skip


def _digest(new: NewJob) -> str:
    return hashlib.sha256(json.dumps(new.document, sort_keys=True).encode()).hexdigest()


def _row(session: Session, team: str, job_id: str, *, lock: bool = False) -> JobRow:
    row = session.get(JobRow, job_id, with_for_update=True if lock else None)
    if row is None or row.team_id != team:
        raise NotFound(f"there is no job {job_id[:60]}")
    return row


def _upload(session: Session, team: str, upload_id: str, kind: UploadKind) -> UploadRow:
    is_offered = kind is UploadKind.DATASET and is_registered(upload_id)
    row = find_offered(session, team, upload_id) if is_offered else session.get(UploadRow, upload_id)
    if row is None or (row.team_id != team and not is_offered):
        raise NotFound(f"there is no upload {upload_id[:60]}")
    if row.kind != kind.value:
        raise Invalid(f"{row.name} was uploaded as a {row.kind}, not as a {kind}")
    if UploadState(row.state) in DEAD:
        problem = read(ProblemFacts, row.problem) or ProblemFacts()
        raise UploadNotReady(f"the {kind} {row.name} is {row.state}: {problem.detail or ''}")
    return row


def _uploads(session: Session, team: str, new: NewJob) -> tuple[UploadRow, UploadRow | None]:
    """The checkpoint and the data set of a job, if it has one; its training data are the team's as well.

    Raises:
        NotFound: the team has no such upload.
        UploadNotReady: an upload was rejected or has expired.
    """
    checkpoint = _upload(session, team, new.checkpoint_id, UploadKind.CHECKPOINT)
    data = _upload(session, team, new.dataset_id, UploadKind.DATASET) if new.dataset_id else None
    if new.train_dataset_id is not None:
        _upload(session, team, new.train_dataset_id, UploadKind.DATASET)
    return checkpoint, data


def _preflight(asked: Asked, checkpoint: UploadRow, data: UploadRow | None) -> Preflight:
    """What is known of a job from what validation has found of its uploads."""
    inputs = Inputs(
        checkpoint_name=checkpoint.name, checkpoint=read(CheckpointFacts, checkpoint.facts),
        data_name=data.name if data else "", data=read(DataSetFacts, data.facts) if data else None,
        has_data=data is not None,
    )  # fmt: skip
    return asked.preflight(inputs)


def _event(row: EventRow) -> JobEvent:
    return JobEvent(id=row.id, at=row.at, kind=row.kind, data=row.data)


def _artifact(row: ArtifactRow) -> Artifact:
    return Artifact(name=row.name, media_type=row.media_type, size_bytes=row.size_bytes, sha256=row.sha256)
