"""The domains over one database, for tests that move jobs and uploads themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.catalog.models import UploadRow
from app.catalog.queue import UploadQueue
from app.catalog.records import Upload, UploadClaim
from app.catalog.service import CatalogService
from app.catalog.states import UploadKind
from app.db import Database, now
from app.jobs.cells import CellStore
from app.jobs.files import JobFileStore
from app.jobs.models import JobRow
from app.jobs.queue import JobQueue
from app.jobs.records import Job, JobClaim, NewJob, StoredArtifact
from app.jobs.service import JobService
from app.leases import LeaseWatch
from app.settings import Settings
from app.storage import BlobStore
from app.storage.local import LocalStore
from app.teams.quotas import UNLIMITED, Quotas, server_quotas
from app.teams.service import TeamService
from app.usage.quotas import QuotaAdmission
from primesvt_client.facts import NO_FACTS, ProblemFacts

HEAD_START_SECONDS = 0.2
SPEC = {"budget": {"max_accuracy_drop": 0.03}}
PROBLEM = ProblemFacts(code="impossible_budget", detail="no")
MODEL = StoredArtifact(
    name="model.safetensors", media_type="application/octet-stream", size_bytes=3, sha256="0" * 64,
    blob_key="artifacts/m",
)  # fmt: skip


class RecordingNotifier:
    """Remembers who was notified for."""

    def __init__(self) -> None:
        self.notified: list[str] = []

    def notify_job(self, job_id: str, forwarded_by: Sequence[str] = ()) -> None:
        self.notified.append(job_id)

    def notify_upload(self, upload_id: str, forwarded_by: Sequence[str] = ()) -> None:
        self.notified.append(upload_id)

    def waiting(self) -> int:
        return 0


class Shop:
    """The domains over one database, and one team."""

    def __init__(self, database: Database, folder: Path, store: BlobStore | None = None, **settings: Any) -> None:
        self.database, self.notifier = database, RecordingNotifier()
        fields = {"data_dir": folder, "max_attempts": 3, "lease_seconds": 30, **settings}
        self.settings = Settings.model_validate(fields)
        self.store = store or LocalStore(folder / "blobs")
        self.catalog, self.jobs = self.catalog_of(server_quotas(self.settings)), self.jobs_of(UNLIMITED)
        self.queue, self.uploads = JobQueue(database, self.settings), UploadQueue(database, self.settings)
        self.cells, self.files = CellStore(database, self.settings), JobFileStore(database)
        self.team = TeamService(database).create_team("ours").team_id
        self.steady_seconds = 0.0
        self.job_leases, self.upload_leases, self.cell_leases = (
            LeaseWatch(self.settings.lease_seconds, 1e6, lambda: self.steady_seconds) for _ in range(3)
        )

    def catalog_of(self, quotas: Quotas) -> CatalogService:
        """Uploads, for teams that may use so much."""
        return CatalogService(self.database, self.store, self.notifier, self.settings, QuotaAdmission(quotas))

    def jobs_of(self, quotas: Quotas) -> JobService:
        """Jobs, for teams that may use so much."""
        return JobService(self.database, self.store, self.notifier, QuotaAdmission(quotas))

    def upload(self, kind: UploadKind, *, ready: bool = True) -> Upload:
        upload = self.catalog.create(self.team, kind, f"a {kind}", 3, None)
        self.catalog.put_part(self.team, upload.id, 1, [b"abc"], None)
        self.catalog.complete(self.team, upload.id)
        if ready:
            claim = self.upload_claim(upload.id)
            self.assemble(claim)
            self.uploads.accept(claim, NO_FACTS)
        return self.catalog.get(self.team, upload.id)

    def assemble(self, claim: UploadClaim) -> bytes:
        """Make the content whole, as a worker does; returns it."""
        assert claim.multipart is not None
        self.store.complete_multipart(claim.multipart, claim.parts)
        self.uploads.assembled(claim)
        return b"".join(self.store.open(claim.content.blob_key))

    def asked(self, *, ready: bool = True) -> NewJob:
        checkpoint, data = (self.upload(kind, ready=ready) for kind in (UploadKind.CHECKPOINT, UploadKind.DATASET))
        return NewJob(checkpoint_id=checkpoint.id, dataset_id=data.id, spec=SPEC)

    def queued(self) -> Job:
        return self.jobs.submit(self.team, self.asked())

    def claimed(self, job: Job | None = None) -> JobClaim:
        claim = self.queue.claim((job or self.queued()).id, "w")
        assert claim is not None
        return claim

    def job(self, claim: JobClaim | Job) -> Job:
        return self.jobs.get(self.team, claim.job_id if isinstance(claim, JobClaim) else claim.id)

    def set(self, job_id: str, **fields: Any) -> None:
        with self.database.session() as session:
            session.execute(update(JobRow).where(JobRow.id == job_id).values(**fields))

    def make_due(self, job_id: str) -> None:
        self.set(job_id, not_before=now() - timedelta(seconds=1))

    def reconcile(self) -> list[str]:
        """Once over the jobs, as a reconciler does that has been there all the time."""
        return self.queue.reconcile(self.job_leases)

    def reconcile_uploads(self) -> list[str]:
        return self.uploads.reconcile(self.upload_leases)

    def forget_workers(self) -> None:
        """Let the leases of all that are not heard of from now on run out."""
        self.reconcile()
        self.reconcile_uploads()
        self.cells.reconcile(self.cell_leases)
        self.steady_seconds += self.settings.lease_seconds

    def upload_claim(self, upload_id: str, owner: str = "w") -> UploadClaim:
        claim = self.uploads.claim(upload_id, owner)
        assert claim is not None
        return claim

    def set_upload(self, upload_id: str, **fields: Any) -> None:
        with self.database.session() as session:
            session.execute(update(UploadRow).where(UploadRow.id == upload_id).values(**fields))

    @contextmanager
    def uncommitted(self, act: Callable[[], object]) -> Iterator[Session]:
        """A transaction; when it is written but not yet committed, somebody else begins to ``act``."""
        with ThreadPoolExecutor(1) as pool:
            with self.database.session() as session:
                yield session
                session.flush()
                acting = pool.submit(act)
                wait([acting], timeout=HEAD_START_SECONDS)
            acting.result()
