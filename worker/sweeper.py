"""Deletes what storage holds without need, at every round of the reconciler."""

from __future__ import annotations

import logging
import time

from app.catalog.contents import Contents
from app.jobs.files import JobFileStore
from app.storage import BlobStore
from app.usage.retention import Retention
from worker.persistence import delete_leftovers

log = logging.getLogger(__name__)

FULL_SWEEP_SECONDS = 600.0
"""How often storage is searched for multipart uploads without a row, and for what teams have not used for days."""


class Sweeper:
    """Deletes bytes that no upload needs and files of attempts at jobs that are over at once, and from time to time
    multipart uploads without a row and what teams do not use any more.
    """

    def __init__(self, contents: Contents, retention: Retention, files: JobFileStore, store: BlobStore) -> None:
        self.contents, self.retention, self.files, self.store = contents, retention, files, store
        self.next_at = time.monotonic()

    def sweep(self) -> None:
        """Once; a store that is away, or a folder that cannot be written to, is retried the next time."""
        try:
            if time.monotonic() >= self.next_at:
                self.retention.enforce()
                self.contents.sweep_multipart()
                self.next_at = time.monotonic() + FULL_SWEEP_SECONDS
            self.contents.sweep()
            delete_leftovers(self.files, self.store)
        except OSError as error:
            log.warning("sweep_failed", extra={"reason": str(error)})
