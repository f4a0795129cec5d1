"""The list of workers, on every database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from app.db import Database, now
from app.settings import Settings
from app.workers.models import WorkerRow
from app.workers.records import WorkerState
from app.workers.service import WorkerService
from tests.support.databases import KINDS, fresh


@pytest.fixture(params=KINDS)
def workers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkerService]:
    with fresh(request.param, tmp_path) as found:
        yield WorkerService(found, Settings(data_dir=tmp_path, lease_seconds=30))


def unheard(workers: WorkerService, worker_id: str, seconds: float) -> None:
    database: Database = workers.database
    with database.session() as session:
        seen = now() - timedelta(seconds=seconds)
        session.execute(update(WorkerRow).where(WorkerRow.id == worker_id).values(seen_at=seen))


def test_workers_tell_what_they_do_until_they_leave(workers: WorkerService) -> None:
    workers.report("b", "host", ("cpu", "cuda"), "1", WorkerState.IDLE, None)
    workers.report("a", "host", ("cpu",), "1", WorkerState.IDLE, None)
    workers.report("a", "host", ("cpu",), "1", WorkerState.BUSY, "job_1")
    first, second = workers.all()
    assert (first.id, first.state, first.job_id, first.devices) == ("a", WorkerState.BUSY, "job_1", ("cpu",))
    assert [worker.id for worker in workers.live()] == ["a", "b"]
    assert workers.live("cuda") == [second]
    workers.leave("a")
    assert workers.all() == [second]


def test_who_is_not_heard_of_is_lost_and_one_day_forgotten(workers: WorkerService) -> None:
    workers.report("a", "host", ("cpu",), "1", WorkerState.BUSY, "job_1")
    unheard(workers, "a", 31)
    assert [worker.state for worker in workers.all()] == [WorkerState.LOST]
    assert workers.live() == []
    workers.forget_lost()
    assert workers.all()
    unheard(workers, "a", 86_401)
    workers.forget_lost()
    assert workers.all() == []
