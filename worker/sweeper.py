"""Deletes what storage holds in vain, a bit at every round of the reconciler."""

from __future__ import annotations

import logging
import time

from app.catalog.contents import Contents
from app.jobs.files import JobFileStore
from app.storage import BlobStore
from app.usage.retention import Retention
from worker.persistence import clean_up

log = logging.getLogger(__name__)

RARELY_SECONDS = 600.0
"""How often storage is searched for multipart uploads without a row, and for what teams have not used for days."""


class Sweeper:
    """Bytes that no upload needs and files of attempts at jobs that are over go at once, drafts that nobody knows of
    and what teams do not use any more in time.
    """

    def __init__(self, contents: Contents, retention: Retention, files: JobFileStore, store: BlobStore) -> None:
        self.contents, self.retention, self.files, self.store = contents, retention, files, store
        self.next_at = time.monotonic()

    def sweep(self) -> None:
        """Once; a store that is away, or a folder that cannot be written to, is asked again the next time."""
        try:
            if time.monotonic() >= self.next_at:
                self.retention.enforce()
                self.contents.sweep_multipart()
                self.next_at = time.monotonic() + RARELY_SECONDS
            self.contents.sweep()
            clean_up(self.files, self.store)
        except OSError as error:
            log.warning("sweep_failed", extra={"reason": str(error)})
