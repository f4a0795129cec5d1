"""The list of workers: they report their state; pages, metrics and estimates read it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import delete, select, update

from app.db import Database, now
from app.jobs.models import JobRow
from app.settings import Settings
from app.workers.models import WorkerRow
from app.workers.records import Worker, WorkerState

FORGOTTEN_SECONDS = 86_400.0
"""A worker that was not heard of for so long is no longer listed."""

REPORTS_PER_LEASE = 3
"""How often a worker reports while a lease lasts."""


class WorkerService:
    """The workers of this service, of all teams."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings = database, settings

    @property
    def report_seconds(self) -> float:
        """How often a worker reports."""
        return self.settings.lease_seconds / REPORTS_PER_LEASE

    def report(
        self, worker_id: str, host: str, devices: Collection[str], version: str, state: WorkerState,
        job_id: str | None, missing: Collection[str] | None = None,
    ) -> None:  # fmt: skip
        """Keep a worker's report of itself: at its start, when what it does changes, and now and then.

        ``missing`` are promises of the sandbox that its machine cannot hold; None as long as it does not know.
        """
        with self.database.session() as session:
            row = session.get(WorkerRow, worker_id)
            if row is None:
                row = WorkerRow(
                    id=worker_id, host=host[:200], devices=sorted(devices), version=version, started_at=now()
                )
                session.add(row)
            row.state, row.job_id, row.seen_at = state.value, job_id, now()
            row.missing_promises = None if missing is None else sorted(missing)

    def report_datasets(self, worker_id: str, found: Mapping[str, str]) -> None:
        """Keep which registered data sets a worker cannot read, and why; an empty text is of one that it can."""
        with self.database.session() as session:
            session.execute(update(WorkerRow).where(WorkerRow.id == worker_id).values(datasets=dict(found)))

    def readers(self, dataset_id: str) -> dict[str, str | None]:
        """Of every worker that is there why it cannot read a data set: empty if it can, None if it has not looked."""
        oldest = now() - timedelta(seconds=self.settings.lease_seconds)
        with self.database.reading() as session:
            rows = session.execute(select(WorkerRow.id, WorkerRow.datasets).where(WorkerRow.seen_at >= oldest))
            return {worker: (found or {}).get(dataset_id) for worker, found in rows}

    def leave(self, worker_id: str) -> None:
        """A worker has ended in order."""
        with self.database.session() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.id == worker_id))

    def forget_lost(self) -> None:
        """Drop those that were not heard of for a day."""
        oldest = now() - timedelta(seconds=FORGOTTEN_SECONDS)
        with self.database.session() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.seen_at < oldest))

    def all(self) -> list[Worker]:
        """Every worker that was heard of within a day, by host and id."""
        with self.database.session() as session:
            rows = session.query(WorkerRow).order_by(WorkerRow.host, WorkerRow.id).all()
        return [self._record(row) for row in rows]

    def seen_by(self, team: str) -> list[Worker]:
        """Every worker; of what they do only the team's own jobs are named."""
        workers = self.all()
        busy_with = [worker.job_id for worker in workers if worker.job_id]
        with self.database.reading() as session:
            own = {*session.scalars(select(JobRow.id).where(JobRow.team_id == team, JobRow.id.in_(busy_with)))}
        return [worker if worker.job_id in own else replace(worker, job_id=None) for worker in workers]

    def live(self, device: str | None = None) -> list[Worker]:
        """Workers that take jobs: neither lost nor stopping, and with the device if one is named."""
        away = (WorkerState.LOST, WorkerState.STOPPING)
        found = [worker for worker in self.all() if worker.state not in away]
        return [worker for worker in found if device is None or device in worker.devices]

    def missing_promises(self) -> list[str]:
        """Promises of the sandbox that do not hold on the machine of a worker that is there."""
        oldest = now() - timedelta(seconds=self.settings.lease_seconds)
        with self.database.reading() as session:
            found = session.scalars(select(WorkerRow.missing_promises).where(WorkerRow.seen_at >= oldest)).all()
        return sorted({promise for promises in found for promise in promises or ()})

    def _record(self, row: WorkerRow) -> Worker:
        is_lost = now() - row.seen_at > timedelta(seconds=self.settings.lease_seconds)
        return Worker(
            id=row.id,
            host=row.host,
            devices=tuple(row.devices),
            version=row.version,
            state=WorkerState.LOST if is_lost else WorkerState(row.state),
            job_id=row.job_id,
            started_at=row.started_at,
            seen_at=row.seen_at,
        )
