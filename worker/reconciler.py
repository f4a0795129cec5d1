"""Repairs what no process holds any more: ``python -m worker.reconciler``.

Leases that ran out are taken back; notifications that got lost are sent again; due webhooks are sent; bytes
that no upload needs are deleted. Any number of reconcilers may run.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from sqlalchemy.exc import DBAPIError

from app import logs
from app.catalog.contents import Contents
from app.catalog.queue import UploadQueue
from app.db import Database, connect
from app.hardening import hide_memory
from app.jobs.cells import CellStore
from app.jobs.files import JobFileStore
from app.jobs.queue import JobQueue
from app.leases import LeaseWatch
from app.metrics import RECONCILED_AT, serve_metrics
from app.queue import CeleryNotifier, Notifier
from app.settings import Settings, private_umask, refuse_shared_folders
from app.storage import store_of
from app.usage.retention import Retention
from app.webhooks.queue import DeliveryQueue
from app.workers.service import WorkerService
from worker.sweeper import Sweeper
from worker.webhook_dispatcher import WebhookDispatcher
from worker.webhook_sender import WebhookSender

log = logging.getLogger(__name__)


class Reconciler:
    """What one reconciler repeats, and what it has seen of the leases."""

    def __init__(self, database: Database, settings: Settings, notifier: Notifier) -> None:
        self.notifier = notifier
        self.uploads, self.jobs = UploadQueue(database, settings), JobQueue(database, settings)
        self.workers, self.deliveries = WorkerService(database, settings), DeliveryQueue(database)
        self.steps = CellStore(database, settings)
        self.upload_leases, self.job_leases, self.step_leases = (
            LeaseWatch(settings.lease_seconds, settings.reconcile_seconds) for _ in range(3)
        )

    def reconcile(self) -> None:
        """Once over everything.

        Notifications are sent only where none wait: a queue that no worker empties does not grow.
        """
        uploads = self.uploads.reconcile(self.upload_leases)
        jobs = self.jobs.reconcile(self.job_leases)
        wanting = self.steps.reconcile(self.step_leases)
        self.workers.forget_lost()
        self.deliveries.forget_old()
        if not (uploads or jobs or wanting) or self.notifier.waiting():
            return
        for upload_id in uploads:
            self.notifier.notify_upload(upload_id)
        for job_id in (*jobs, *wanting):
            self.notifier.notify_job(job_id)


def main() -> None:
    """Reconcile until SIGTERM."""
    hide_memory()
    settings = Settings.from_env(os.environ)
    private_umask()
    refuse_shared_folders(settings)
    logs.configure(settings.log_level, as_json=settings.log_json)
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    database, notifier = connect(settings.database), CeleryNotifier(settings.broker_url)
    database.migrate_patiently()
    store = store_of(settings)
    sweeper = Sweeper(Contents(database, store), Retention(database, store), JobFileStore(database), store)
    dispatcher = WebhookDispatcher(
        DeliveryQueue(database), WebhookSender(private=settings.webhook_private_network), stopping
    )
    reconciler = Reconciler(database, settings, notifier)
    with serve_metrics(settings.metrics_address), dispatching(dispatcher):
        while not stopping.wait(settings.reconcile_seconds):
            try:
                reconciler.reconcile()
                sweeper.sweep()
            except DBAPIError as error:
                log.warning("reconcile_failed", extra={"reason": str(error.orig)})
            else:
                RECONCILED_AT.set_to_current_time()


@contextmanager
def dispatching(dispatcher: WebhookDispatcher) -> Iterator[None]:
    """Send webhooks while the block runs; however it ends, sending ends too."""
    thread = Thread(target=dispatcher.run, name="webhook-dispatcher")
    thread.start()
    try:
        yield
    finally:
        dispatcher.stopping.set()
        thread.join()


if __name__ == "__main__":
    main()
