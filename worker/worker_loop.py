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
from app.storage import BlobStore, store_of
from app.workers.records import WorkerState
from app.workers.service import WorkerService
from worker.cell_helper import Helper
from worker.devices import devices
from worker.jobs import JobRunner
from worker.registration import Presence
from worker.uploads import UploadRunner

log = logging.getLogger(__name__)

MAX_FORWARDS = 32
"""A doorbell that so many busy workers have heard is dropped; where one is idle nevertheless, the reconciler rings."""


def name_of_this_process() -> str:
    """Names the holder of a claim; for people who look for it, and never the same twice."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class Station:
    """A worker's tasks. One job at a time: it has the device and the cores to itself."""

    settings: Settings
    database: Database
    store: BlobStore
    notifier: Notifier
    devices: tuple[Device, ...] = CPU_ONLY
    owner: str = field(default_factory=name_of_this_process)
    stopping: Event = field(default_factory=Event)
    _busy: threading.Lock = field(default_factory=threading.Lock)
    _beyond_help: set[str] = field(default_factory=set)

    def run_job(self, job_id: str, forwarded_by: Sequence[str] = ()) -> None:
        """Answer a doorbell: run the job whose turn it is. A worker that has one passes the doorbell on, until all that
        hear it are busy: each of them looks for the next job when its own is over.
        """
        if self.stopping.is_set() or not self._busy.acquire(blocking=False):
            if self.owner not in forwarded_by and len(forwarded_by) < MAX_FORWARDS:
                self.notifier.notify_job(job_id, [*forwarded_by, self.owner])
            return
        try:
            self._work()
        finally:
            self.presence.show(WorkerState.STOPPING if self.stopping.is_set() else WorkerState.IDLE)
            self._busy.release()
        self.notify_next()

    def _work(self) -> None:
        """Run the next job that this worker can run; where none waits, help with one that runs."""
        claim = self._jobs.claim_next(self.owner, self.devices)
        if claim is None:
            self._help()
        else:
            self.presence.show(WorkerState.BUSY, claim.job_id)
            JobRunner(self.database, self.store, self.settings, self.owner, self.stopping, self.notifier).run(claim)

    def _help(self) -> None:
        """No job waits: help with one that runs."""
        claim = self._steps.help(self.owner, self.devices, self._beyond_help)
        if claim is None:
            return
        self.presence.show(WorkerState.HELPING, claim.job_id)
        self.notifier.notify_job(claim.job_id)  # there may be work for others, too
        if not Helper(self._steps, self.store, self.settings, self.stopping, self._has_own).run(claim):
            self._beyond_help.add(claim.job_id)

    def _has_own(self) -> bool:
        return bool(self._jobs.due(1, self.devices))

    @property
    def _jobs(self) -> JobQueue:
        return JobQueue(self.database, self.settings)

    @property
    def _steps(self) -> CellStore:
        return CellStore(self.database, self.settings)

    @cached_property
    def presence(self) -> Presence:
        """What the list of workers shows of this one."""
        return Presence(WorkerService(self.database, self.settings), self.owner, self.devices)

    def validate_upload(self, upload_id: str) -> None:
        """Answer a doorbell; jobs may have waited for the upload."""
        if self.stopping.is_set():
            return
        if UploadRunner(self.database, self.store, self.settings, self.owner, self.stopping).run(upload_id):
            self.notify_next()

    def notify_next(self) -> None:
        """Ring for the job whose turn it is, or for one that could do with help."""
        if self.stopping.is_set():
            return
        for job_id in self._jobs.due(1, self.devices) or self._steps.wanting(
            self.owner, self.devices, self._beyond_help
        ):
            self.notifier.notify_job(job_id)

    def sweep(self) -> None:
        """Remove workspaces of this machine that nobody will go on with; not now if the database is away."""
        try:
            self._sweep()
        except DBAPIError as error:
            log.warning("not_swept", extra={"reason": str(error.orig)})

    def _sweep(self) -> None:
        folders = [path for path in self.settings.workspaces.glob("*") if path.is_dir()]
        names = [_subject(path) for path in folders]
        jobs, uploads = JobQueue(self.database, self.settings), UploadQueue(self.database, self.settings)
        kept = jobs.unfinished(names) | uploads.unfinished(names)
        for folder in folders:
            if _subject(folder) not in kept:
                shutil.rmtree(folder, ignore_errors=True)


def _subject(folder: Path) -> str:
    """The job or upload that a folder belongs to; one that helps has a folder of its own beside it."""
    return folder.name.partition(".")[0]


def open_station(settings: Settings) -> Station:
    """The station of these settings; the database's schema is brought up to date first."""
    database = connect(settings.database)
    database.migrate_patiently()
    store = store_of(settings)
    return Station(settings, database, store, CeleryNotifier(settings.broker_url), devices(settings))
