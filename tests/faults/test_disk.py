"""Disks that are full when something is to be written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.catalog.states import UploadKind, UploadState
from app.jobs.states import JobState
from primesvt_client import ServerError
from tests.faults.conftest import CHECKPOINT, DATA, delivered, expected
from tests.support.fleet import Fleet, fleet
from tests.support.invariants import check
from tests.support.servers import OwnPostgres, OwnRedis
from tests.support.small_disk import SmallDisk, small_disk

MIB = 1 << 20
CELLS = {"PYTHON_STUB_CELLS": "20", "PYTHON_STUB_CELL_SECONDS": "0.05"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 160 * MIB) as found:
        yield found


@pytest.fixture
def store_on_disk(postgres: OwnPostgres, redis: OwnRedis, disk: SmallDisk, tmp_path: Path) -> Iterator[Fleet]:
    """A fleet whose blobs lie on the small disk; workspaces lie elsewhere."""
    storage = (disk.folder / "blobs").as_uri()
    with postgres.database() as url, fleet(
        tmp_path / "fleet", PRIMESVT_DATABASE_URL=url, PRIMESVT_BROKER_URL=redis.url, PRIMESVT_STORAGE_URL=storage
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
    team.until_job(job, lambda found: found.attempts > 1 or found.state is JobState.QUEUED)
    disk.clear()
    job = team.until_over(job)
    assert job.state is JobState.SUCCEEDED
    assert delivered(team, job) == expected(20)


def test_a_full_disk_on_the_final_write(store_on_disk: Fleet, disk: SmallDisk) -> None:
    """Artifacts cannot be stored: none is listed, and the job is tried again until they can."""
    team = store_on_disk
    team.worker(**CELLS)
    job = team.submit(team.upload(CHECKPOINT, UploadKind.CHECKPOINT), team.upload(DATA, UploadKind.DATASET))
    team.until_in_the_middle(job)
    disk.fill()
    team.until_job(job, lambda found: found.attempts > 1)
    assert check(team)[job.id] is not JobState.SUCCEEDED
    disk.clear()
    job = team.until_over(job)
    assert job.state is JobState.SUCCEEDED
    assert delivered(team, job) == expected(20)
