"""Looks whether this worker can read the registered data sets, so that the operator hears of it before a job does."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from app.catalog.models import DatasetRow
from app.db import Database
from app.errors import Invalid
from app.settings import Settings
from app.storage import BlobMissing
from app.storage.outside import look
from app.workers.service import WorkerService

if TYPE_CHECKING:
    from worker.worker_loop import WorkerLoop

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatasetWatch:
    """In a thread of its own: a network file system that hangs must delay neither work nor reports."""

    database: Database
    settings: Settings
    owner: str
    stopping: Event

    @classmethod
    def of(cls, loop: WorkerLoop) -> DatasetWatch:
        """Of a worker."""
        return cls(loop.database, loop.settings, loop.owner, loop.stopping)

    def run(self) -> None:
        """Look, report, wait, until the worker stops."""
        workers = WorkerService(self.database, self.settings)
        while not self.stopping.is_set():
            try:
                workers.report_datasets(self.owner, self.look())
            except DBAPIError as error:
                log.warning("data_sets_not_looked_at", extra={"reason": str(error.orig)})
            self.stopping.wait(workers.report_seconds)

    def look(self) -> dict[str, str]:
        """Of every registered data set why it cannot be read here; empty if it can."""
        with self.database.reading() as session:
            rows = session.execute(select(DatasetRow.id, DatasetRow.location).where(DatasetRow.removed_at.is_(None)))
            places: dict[str, str] = dict(rows.all())
        return {dataset: self._problem(location) for dataset, location in places.items()}

    def _problem(self, location: str) -> str:
        try:
            look(location, self.settings)
        except Invalid as error:
            return error.message
        except (OSError, BlobMissing) as error:
            return str(error)
        return ""
