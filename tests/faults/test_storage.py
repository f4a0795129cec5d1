"""An S3 store that fails now and then: errors, silence, bodies cut short, replies that get lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.catalog.states import UploadKind, UploadState
from app.jobs.states import JobState
from tests.faults.conftest import CHECKPOINT, DATA, delivered, expected
from tests.support.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from tests.support.fleet import Fleet, fleet
from tests.support.invariants import check
from tests.support.servers import OwnPostgres, OwnRedis
from tests.support.swift import CREDENTIALS, Swift

TIMEOUT_SECONDS = 2.0
CELLS = {"PYTHON_STUB_CELLS": "20", "PYTHON_STUB_CELL_SECONDS": "0.05"}
MIB = 1 << 20


@pytest.fixture
def proxy(swift: Swift) -> Iterator[FaultyProxy]:
    with faulty_proxy(swift.endpoint, silence_seconds=3 * TIMEOUT_SECONDS) as found:
        yield found


@pytest.fixture
def on_s3(postgres: OwnPostgres, redis: OwnRedis, swift: Swift, proxy: FaultyProxy, tmp_path: Path) -> Iterator[Fleet]:
    """A fleet whose blobs lie in an S3 store behind the proxy."""
    env = {
        **CREDENTIALS, "PRIMESVT_STORAGE_URL": f"s3://{swift.fresh_bucket()}/blobs",
        "PRIMESVT_S3_ENDPOINT": proxy.endpoint, "PRIMESVT_S3_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
        "PRIMESVT_BROKER_URL": redis.url, "PRIMESVT_PART_BYTES": str(5 * MIB),
    }  # fmt: skip
    with postgres.database() as url, fleet(tmp_path / "fleet", PRIMESVT_DATABASE_URL=url, **env) as found:
        found.api()
        found.reconciler()
        yield found
        check(found)
    redis.empty()


@pytest.mark.parametrize("fault", [*Fault])
def test_a_store_that_fails_for_a_while(on_s3: Fleet, proxy: FaultyProxy, fault: Fault, tmp_path: Path) -> None:
    """Uploads and jobs end well, and what they store is what was sent."""
    path = tmp_path / "model.bin"
    path.write_bytes(os.urandom(12 * MIB))
    on_s3.worker(**CELLS)
    with proxy.failing(fault, share=0.2):
        upload = on_s3.upload_persistently(path).id
        small = [on_s3.upload(content, kind) for content, kind in _small()]
        jobs = [on_s3.submit(*small) for _ in range(3)]
        for job in jobs:
            found = on_s3.until_over(job, 180)
            assert found.state is JobState.SUCCEEDED, found.problem
    assert on_s3.client.get_upload(upload).state is UploadState.READY
    assert proxy.met[fault] > 0
    for job in jobs:
        assert delivered(on_s3, job) == expected(20)


def _small() -> list[tuple[bytes, UploadKind]]:
    return [(CHECKPOINT, UploadKind.CHECKPOINT), (DATA, UploadKind.DATASET)]
