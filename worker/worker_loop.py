"""One worker: what its tasks do, and what they share."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Event

from sqlalchemy.exc import DBAPIError

from app.catalog.queue import UploadQueue
from app.db import Database, connect
from app.jobs.cells import CellStore
from app.jobs.queue import CPU_ONLY, JobQueue
from app.jobs.records import Device
from app.queue import CeleryNotifier, Notifier
from app.settings import Settings
from app.storage import NOT_SHARED, BlobStore, StorageMarker, store_of
from app.workers.records import WorkerState
from app.workers.service import WorkerService
from worker.cell_helper import CellHelper
from worker.devices import devices
from worker.jobs import JobRunner
from worker.postponed import Postponed
from worker.registration import WorkerRegistration
from worker.turns import Turns
from worker.uploads import UploadRunner
from worker.validations import ClaimNext, Validations

log = logging.getLogger(__name__)

MAX_FORWARDS = 32
"""A notification that so many busy workers have passed on is dropped; where one is idle nevertheless, the reconciler
notifies again.
"""


def make_worker_id() -> str:
    """Names the holder of a claim so that an operator finds the process; never the same twice."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class WorkerLoop:
    """A worker's tasks. One job at a time: it has the device and the cores to itself."""

    settings: Settings
    database: Database
    store: BlobStore
    notifier: Notifier
    devices: tuple[Device, ...] = CPU_ONLY
    owner: str = field(default_factory=make_worker_id)
    stopping: Event = field(default_factory=Event)
    _busy: threading.Lock = field(default_factory=threading.Lock)
    _failed_jobs: set[str] = field(default_factory=set)
    _validations: Validations = field(default_factory=Validations)
    _turns: Turns = field(default_factory=Turns)
    _postponed: Postponed = field(default_factory=Postponed)

    def run_job(self, job_id: str, forwarded_by: Sequence[str] = ()) -> None:
        """Answer a notification: run the job that is next in the queue. A worker that has a job passes the notification
        on, until all are busy: each of them looks for the next job when its own is over.
        """
        if self.stopping.is_set() or not self._busy.acquire(blocking=False):
            if self.owner not in forwarded_by and len(forwarded_by) < MAX_FORWARDS:
                self.notifier.notify_job(job_id, [*forwarded_by, self.owner])
            return
        try:
            if self._shares_storage():
                self._run_next()
        finally:
            self.registration.set_state(WorkerState.STOPPING if self.stopping.is_set() else WorkerState.IDLE)
            self._busy.release()
        self.notify_next()

    def _run_next(self) -> None:
        """Run the next job that this worker can run; where none waits, help with one that runs."""
        claim = self._jobs.claim_next(self.owner, self.devices)
        if claim is None:
            self._help()
        else:
            self.registration.set_state(WorkerState.BUSY, claim.job_id)
            JobRunner(self.database, self.store, self.settings, self.owner, self.stopping, self.notifier).run(claim)

    def _help(self) -> None:
        """No job waits: help with one that runs."""
        claim = self._steps.help(self.owner, self.devices, self._failed_jobs)
        if claim is None:
            return
        self.registration.set_state(WorkerState.HELPING, claim.job_id)
        self.notifier.notify_job(claim.job_id)  # there may be work for others, too
        if not CellHelper(self._steps, self.store, self.settings, self.stopping, self._has_own_job).run(claim):
            self._failed_jobs.add(claim.job_id)

    def _has_own_job(self) -> bool:
        return bool(self._jobs.due(1, self.devices))

    @property
    def _jobs(self) -> JobQueue:
        return JobQueue(self.database, self.settings)

    @property
    def _steps(self) -> CellStore:
        return CellStore(self.database, self.settings)

    @cached_property
    def registration(self) -> WorkerRegistration:
        """This worker's entry in the list of workers."""
        return WorkerRegistration(WorkerService(self.database, self.settings), self.owner, self.devices)

    def validate_upload(self, upload_id: str, forwarded_by: Sequence[str] = ()) -> None:
        """Answer a notification: look into uploads as long as some wait that this worker may begin with, in turns
        between teams. A worker that may begin with none passes the notification on; jobs may have waited for an upload.
        """
        if self.stopping.is_set() or not self._shares_storage():
            return
        runner = UploadRunner(
            self.database, self.store, self.settings, self.owner, self.stopping, self._turns, self._postponed
        )
        is_busy = True
        while not self.stopping.is_set():
            with self._validations.begun(self._claim_next(runner)) as claim:
                if claim is None:
                    break
                is_busy = False
                runner.run_claimed(claim)
            self.notify_next()
        if is_busy and self._validations.teams and self.owner not in forwarded_by and len(forwarded_by) < MAX_FORWARDS:
            self.notifier.notify_upload(upload_id, [*forwarded_by, self.owner])

    def _claim_next(self, runner: UploadRunner) -> ClaimNext:
        return lambda skip: runner.work.claim_next(self.owner, {*skip, *self._postponed.teams()})

    def _shares_storage(self) -> bool:
        """Whether what is claimed could be found: else every file would look damaged, and the set-up is to blame."""
        try:
            if self._marker.is_here():
                return True
        except (OSError, DBAPIError):  # away; what is claimed is retried
            return True
        log.error("storage_not_shared", extra={"storage": self.settings.storage, "reason": NOT_SHARED})
        return False

    @cached_property
    def _marker(self) -> StorageMarker:
        return StorageMarker(self.database, self.store)

    def notify_next(self) -> None:
        """Notify for the job that is next in the queue, or for one that needs help."""
        if self.stopping.is_set():
            return
        for job_id in self._jobs.due(1, self.devices) or self._steps.wanting(
            self.owner, self.devices, self._failed_jobs
        ):
            self.notifier.notify_job(job_id)

    def sweep(self) -> None:
        """Remove workspaces of this machine that no attempt will use again; skipped while the database is away."""
        try:
            self._sweep()
        except DBAPIError as error:
            log.warning("not_swept", extra={"reason": str(error.orig)})

    def _sweep(self) -> None:
        places = {self.settings.workspaces, self.settings.scratch}
        folders = [path for place in places for path in place.glob("*") if path.is_dir()]
        names = [_owner_id(path) for path in folders]
        jobs, uploads = JobQueue(self.database, self.settings), UploadQueue(self.database, self.settings)
        kept = jobs.unfinished(names) | uploads.unfinished(names)
        for folder in folders:
            if _owner_id(folder) not in kept:
                shutil.rmtree(folder, ignore_errors=True)


def _owner_id(folder: Path) -> str:
    """The job or upload that a folder belongs to; a helper has a folder of its own beside the job's."""
    return folder.name.partition(".")[0]


def open_worker_loop(settings: Settings) -> WorkerLoop:
    """The worker loop for these settings; the database's schema is migrated first."""
    database = connect(settings.database)
    database.migrate_patiently()
    store = store_of(settings)
    return WorkerLoop(settings, database, store, CeleryNotifier(settings.broker_url), devices(settings))
