"""A worker in the list of workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from app.settings import Settings
from app.workers.records import WorkerState
from app.workers.service import WorkerService
from tests.support.databases import KINDS, fresh
from tests.support.servers import until
from worker.registration import WorkerRegistration

AWAY = OperationalError("", None, OSError("the database is away"))


class Flaky(WorkerService):
    """A list in a database that is away when a test says so."""

    is_away = False

    @property
    def report_seconds(self) -> float:
        return 0.02 if self.is_away else super().report_seconds

    def report(self, *told: object, **more: object) -> None:
        if self.is_away:
            raise AWAY
        super().report(*told, **more)  # type: ignore[arg-type]

    def leave(self, worker_id: str) -> None:
        if self.is_away:
            raise AWAY
        super().leave(worker_id)


@pytest.fixture(params=KINDS)
def workers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flaky]:
    with fresh(request.param, tmp_path) as found:
        yield Flaky(found, Settings(data_dir=tmp_path, lease_seconds=30))


def test_a_worker_is_listed_while_it_is_there_and_shows_changes_at_once(workers: Flaky) -> None:
    registration = WorkerRegistration(workers, "me", ("cpu",))
    with registration.registered():
        until(lambda: [worker.state for worker in workers.all()] == [WorkerState.IDLE], "it is listed")
        assert [worker.devices for worker in workers.all()] == [("cpu",)]
        registration.set_state(WorkerState.BUSY, "job_1")
        until(lambda: [worker.job_id for worker in workers.all()] == ["job_1"], "it shows its job")
    assert workers.all() == []


def test_a_database_that_is_away_stops_no_worker(workers: Flaky, caplog: pytest.LogCaptureFixture) -> None:
    workers.is_away = True
    registration = WorkerRegistration(workers, "me", ("cpu", "cuda"))
    with registration.registered():
        until(lambda: len(caplog.records) >= 2, "it tries again")
        workers.is_away = False
        until(lambda: [worker.id for worker in workers.all()] == ["me"], "it is listed when the database is back")
        workers.is_away = True
        registration.set_state(WorkerState.STOPPING)
    assert {record.msg for record in caplog.records} == {"presence_not_told"}
    assert [worker.id for worker in workers.all()] == ["me"]  # until it is lost
