"""What a worker does with notifications."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from app.catalog.records import UploadClaim
from app.catalog.states import UploadKind, UploadState
from app.storage import StorageMarker
from app.storage.local import LocalStore
from tests.support.databases import fresh
from tests.support.shop import PROBLEM, Shop
from worker.jobs import JobRunner
from worker.uploads import UploadRunner
from worker.worker_loop import WorkerLoop


class RecordingNotifier(list[tuple[str, list[str]]]):
    """Remembers who was notified for, and who had forwarded it."""

    def notify_job(self, job_id: str, forwarded_by: Sequence[str] = ()) -> None:
        self.append((job_id, [*forwarded_by]))

    def notify_upload(self, upload_id: str, forwarded_by: Sequence[str] = ()) -> None:
        self.append((upload_id, [*forwarded_by]))

    def waiting(self) -> int:
        return 0


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with fresh("sqlite", tmp_path) as database:
        yield Shop(database, tmp_path)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(JobRunner, "run", lambda runner, claim: found.append(claim.job_id))
    return found


def test_a_notification_runs_the_job_that_is_next(shop: Shop, ran: list[str]) -> None:
    first, second, notifier = shop.queued(), shop.queued(), RecordingNotifier()
    loop = WorkerLoop(shop.settings, shop.database, shop.store, notifier)
    loop.run_job(second.id)
    assert (ran, notifier) == ([first.id], [(second.id, [])])
    loop.run_job("job_gone")
    loop.run_job("job_gone")
    assert (ran, notifier) == ([first.id, second.id], [(second.id, [])])


def test_a_busy_worker_forwards_a_notification_once(
    shop: Shop, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, notifier = shop.queued(), RecordingNotifier()
    first, second = (
        WorkerLoop(shop.settings, shop.database, shop.store, notifier, owner=name) for name in ("one", "two")
    )
    passed: list[list[tuple[str, list[str]]]] = []

    def while_busy(runner: JobRunner, claim: object) -> None:
        first.run_job(job.id)
        second.stopping.set()  # it takes no job either
        second.run_job(*notifier[-1])
        first.run_job(*notifier[-1])
        passed.append([*notifier])

    monkeypatch.setattr(JobRunner, "run", while_busy)
    first.run_job(job.id)
    assert passed == [[(job.id, ["one"]), (job.id, ["one", "two"])]]


def test_a_job_for_a_gpu_is_left_to_workers_that_have_one(shop: Shop, ran: list[str]) -> None:
    asked, notifier = shop.asked(), RecordingNotifier()
    job = shop.jobs.submit(shop.team, replace(asked, spec={**asked.spec, "device": "cuda"}))
    WorkerLoop(shop.settings, shop.database, shop.store, notifier).run_job(job.id)
    assert (ran, notifier) == ([], [])
    WorkerLoop(shop.settings, shop.database, shop.store, notifier, ("cpu", "cuda")).run_job(job.id)
    assert ran == [job.id]


def test_a_worker_with_another_storage_claims_nothing_and_blames_the_set_up(
    shop: Shop, ran: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job, upload = shop.queued(), shop.upload(UploadKind.DATASET, ready=False)
    StorageMarker(shop.database, shop.store).place()
    other = WorkerLoop(shop.settings, shop.database, LocalStore(tmp_path / "other"), RecordingNotifier())
    other.run_job(job.id)
    other.validate_upload(upload.id)
    assert ran == []
    assert shop.catalog.get(shop.team, upload.id).state is UploadState.STORED
    reasons = [record.__dict__["reason"] for record in caplog.records if record.message == "storage_not_shared"]
    assert len(reasons) == 2
    assert "PRIMESVT_STORAGE_URL" in reasons[0]
    WorkerLoop(shop.settings, shop.database, shop.store, RecordingNotifier()).run_job(job.id)
    assert ran == [job.id]


def test_uploads_are_looked_into_in_turns_between_teams(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = Shop(shop.database, tmp_path / "others", shop.store)
    ours = [shop.upload(UploadKind.DATASET, ready=False).id for _ in range(3)]
    theirs = others.upload(UploadKind.DATASET, ready=False).id
    seen: list[str] = []

    def looked_into(runner: UploadRunner, claim: UploadClaim) -> None:
        seen.append(claim.upload_id)
        runner.work.refuse(claim, PROBLEM)

    monkeypatch.setattr(UploadRunner, "run_claimed", looked_into)
    WorkerLoop(shop.settings, shop.database, shop.store, RecordingNotifier()).validate_upload(ours[2])
    assert seen == [ours[0], theirs, *ours[1:]]


def test_a_worker_that_may_begin_no_upload_passes_the_notification_on(shop: Shop) -> None:
    notifier = RecordingNotifier()
    worker = WorkerLoop(shop.settings, shop.database, shop.store, notifier)
    upload = shop.upload(UploadKind.DATASET, ready=False).id
    begun = worker._validations.begun
    with begun(lambda _: Mock(team=shop.team)), begun(lambda _: Mock(team=shop.team)):
        worker.validate_upload(upload)
        worker.validate_upload(upload, [worker.owner])
    assert notifier == [(upload, [worker.owner])]
    assert shop.catalog.get(shop.team, upload).state is UploadState.STORED
