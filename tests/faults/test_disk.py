"""Disks that are full when something is to be written."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from PIL import Image

from app.catalog.states import UploadKind, UploadState
from app.jobs.states import JobState
from primesvt_client import ServerError
from tests.faults.conftest import CHECKPOINT, DATA, delivered, expected
from tests.support.embedded import EXAMPLES, Service, service
from tests.support.fleet import Fleet, fleet
from tests.support.invariants import check
from tests.support.servers import OwnPostgres, OwnRedis, until
from tests.support.small_disk import SmallDisk, small_disk

MIB = 1 << 20
CELLS = {"PYTHON_STUB_CELLS": "20", "PYTHON_STUB_CELL_SECONDS": "0.3"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 160 * MIB) as found:
        yield found


@pytest.fixture
def store_on_disk(postgres: OwnPostgres, redis: OwnRedis, disk: SmallDisk, tmp_path: Path) -> Iterator[Fleet]:
    """A fleet whose blobs lie on the small disk; workspaces lie elsewhere."""
    storage = (disk.folder / "blobs").as_uri()
    with postgres.database() as url, fleet(
        tmp_path / "fleet", PRIMESVT_DATABASE_URL=url, PRIMESVT_BROKER_URL=redis.url, PRIMESVT_STORAGE_URL=storage,
        PRIMESVT_KEEP_FREE_BYTES=str(16 * MIB),
    ) as found:  # fmt: skip
        found.api()
        found.reconciler()
        yield found
        check(found)
    redis.empty()


def test_a_full_disk_on_upload(store_on_disk: Fleet, disk: SmallDisk, tmp_path: Path) -> None:
    """The client gets the reason; once there is room it goes on where it was."""
    path = tmp_path / "model.bin"
    path.write_bytes(os.urandom(48 * MIB))
    store_on_disk.worker()
    disk.fill(leave_bytes=40 * MIB)
    with pytest.raises(ServerError) as refusal:
        store_on_disk.client.upload(path, UploadKind.CHECKPOINT)
    assert (refusal.value.problem.status, refusal.value.problem.code) == (507, "storage_full")
    disk.clear()
    upload = store_on_disk.client.wait_upload(store_on_disk.client.upload(path, UploadKind.CHECKPOINT).id)
    assert upload.state is UploadState.READY


def test_a_full_disk_on_a_checkpoint(team: Fleet, disk: SmallDisk, inputs: tuple[str, str]) -> None:
    """What a job remembers of its work cannot be written; once there is room it goes on."""
    team.worker(**CELLS, PRIMESVT_DATA_DIR=str(disk.folder))
    job = team.submit(*inputs)
    team.until_in_the_middle(job)
    disk.fill()
    team.until_job(job, lambda found: found.state is JobState.QUEUED)
    disk.clear()
    job = team.until_over(job)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
    assert delivered(team, job) == expected(20)


def test_a_full_disk_on_the_final_write(store_on_disk: Fleet, disk: SmallDisk) -> None:
    """Artifacts cannot be stored: none is listed, and the job is tried again until they can."""
    team = store_on_disk
    team.worker(**CELLS)
    job = team.submit(team.upload(CHECKPOINT, UploadKind.CHECKPOINT), team.upload(DATA, UploadKind.DATASET))
    team.until_in_the_middle(job)
    disk.fill()
    log = team.parts[-1].log
    until(lambda: "job_postponed" in log.read_text(), "the job is not postponed", 120)
    assert check(team)[job.id] is not JobState.SUCCEEDED
    disk.clear()
    job = team.until_over(job)
    assert job.state is JobState.SUCCEEDED
    assert delivered(team, job) == expected(20)


def bomb(path: Path) -> Path:
    """Half a megabyte that unpacks to 512 MiB: 128 pictures of one colour."""
    side = 1182
    with gzip.open(path, "wb") as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for number in range(128):
            picture = io.BytesIO()
            Image.new("RGB", (side, side)).save(picture, "BMP")
            entry = tarfile.TarInfo(f"{'ab'[number % 2]}/{number}.bmp")
            entry.size = len(picture.getvalue())
            archive.addfile(entry, io.BytesIO(picture.getvalue()))
    assert path.stat().st_size < MIB
    return path


class Watch:
    """What was free at the least, and how the API answered, meanwhile."""

    def __init__(self) -> None:
        self.least_free, self.statuses, self.is_over = 1 << 60, Counter[int](), threading.Event()

    def disk(self, folder: Path) -> None:
        while not self.is_over.wait(0.005):
            status = os.statvfs(folder)
            self.least_free = min(self.least_free, status.f_bavail * status.f_frsize)

    def api(self, found: Service) -> None:
        with httpx.Client(base_url=found.found.address, trust_env=False, timeout=30) as client:
            while not self.is_over.wait(0.05):
                for address in ("/readyz", "/api/v1/uploads", "/api/v1/jobs", "/sign-in"):
                    answer = client.get(address, headers={"Authorization": f"Bearer {found.key}"})
                    self.statuses[answer.status_code] += 1


@contextmanager
def watched(found: Service, folder: Path) -> Iterator[Watch]:
    watch = Watch()
    threads = [threading.Thread(target=watch.disk, args=(folder,)), threading.Thread(target=watch.api, args=(found,))]
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        watch.is_over.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("quota", [20_000_000, 0], ids=["with a quota", "without one"])
def test_an_archive_that_would_fill_the_disk(quota: int, tmp_path: Path) -> None:
    """The quota refuses it; without one it waits for a larger disk. The service goes on, for others as well."""
    path = bomb(tmp_path / "set.tar.gz")
    with small_disk(tmp_path / "disk", 400_000_000) as disk, service(
        disk.folder / "data", PRIMESVT_TEAM_STORAGE_BYTES=str(quota)
    ) as found, watched(found, disk.folder) as watch:  # fmt: skip
        upload = found.client.upload(path, UploadKind.DATASET)
        if quota:
            refused = found.client.wait_upload(upload.id)
            assert refused.problem is not None
            assert (refused.state, refused.problem.code) == (UploadState.REJECTED, "storage_quota_exceeded")
        else:
            log = disk.folder / "data" / "logs" / "worker.log"
            found.until(lambda: "upload_postponed" in log.read_text())
            time.sleep(7)  # it is tried again meanwhile
            assert found.client.get_upload(upload.id).state in (UploadState.STORED, UploadState.VALIDATING)
        assert found.upload(EXAMPLES / "digits.npz", UploadKind.DATASET).state is UploadState.READY
    assert watch.least_free > 100_000_000
    assert {status for status in watch.statuses if status >= 500} <= {507}
    assert watch.statuses[200] > 40
