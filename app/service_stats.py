"""How the whole service stands, in numbers: counted when they are asked for, for the database is the only record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select

from app.catalog.models import UploadRow
from app.catalog.states import UploadKind, UploadState
from app.db import Database, now
from app.jobs.models import JobRow
from app.jobs.states import JobState
from app.webhooks.models import DeliveryRow
from app.webhooks.states import DeliveryState
from app.workers.records import WorkerState
from app.workers.service import WorkerService

KEPT = (UploadState.STORED, UploadState.VALIDATING, UploadState.READY)


@dataclass(frozen=True, kw_only=True)
class ServiceCounts:
    """Numbers of all teams together.

    Attributes:
        oldest_queued_seconds: how long that job waits that could have begun first; 0 if none waits.
        workers: by state and device; a worker with a GPU counts for both of its devices.
        upload_bytes: of uploads that are complete, by kind.
    """

    jobs: dict[JobState, int]
    oldest_queued_seconds: float
    workers: dict[tuple[WorkerState, str], int]
    uploads: dict[UploadState, int]
    upload_bytes: dict[UploadKind, int]
    deliveries: dict[DeliveryState, int]


class ServiceStats:
    """Counts over all teams; for whoever runs the service."""

    def __init__(self, database: Database, workers: WorkerService) -> None:
        self.database, self.workers = database, workers

    def count(self) -> ServiceCounts:
        """How things stand now."""
        waiting = select(func.min(JobRow.not_before)).where(
            JobRow.state == JobState.QUEUED.value, JobRow.not_before <= now()
        )
        kept = select(UploadRow.kind, func.sum(UploadRow.size_bytes)).where(UploadRow.state.in_([*KEPT]))
        with self.database.reading() as session:

            def by(query: Select[Any, Any], keys: Sequence[str]) -> dict[str, int]:
                found = {str(key): int(count) for key, count in session.execute(query)}
                return {key: found.get(key, 0) for key in keys}

            jobs = by(_counted(JobRow.state), [*JobState])
            uploads = by(_counted(UploadRow.state), [*UploadState])
            deliveries = by(_counted(DeliveryRow.state), [*DeliveryState])
            sizes = by(kept.group_by(UploadRow.kind), [*UploadKind])
            since = session.scalar(waiting)
        return ServiceCounts(
            jobs={JobState(name): count for name, count in jobs.items()},
            oldest_queued_seconds=max(0.0, (now() - since).total_seconds()) if since else 0.0,
            workers=self._workers(),
            uploads={UploadState(name): count for name, count in uploads.items()},
            upload_bytes={UploadKind(name): count for name, count in sizes.items()},
            deliveries={DeliveryState(name): count for name, count in deliveries.items()},
        )

    def _workers(self) -> dict[tuple[WorkerState, str], int]:
        counts = dict.fromkeys(((state, device) for state in WorkerState for device in ("cpu", "cuda")), 0)
        for worker in self.workers.all():
            for device in worker.devices:
                counts[worker.state, device] = counts.get((worker.state, device), 0) + 1
        return counts


def _counted(state: Any) -> Select[Any, Any]:
    return select(state, func.count()).group_by(state)
