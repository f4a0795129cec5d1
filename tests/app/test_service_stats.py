"""Numbers of the whole service, on every database; and who sees what of the workers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.catalog.states import UploadKind, UploadState
from app.db import Database, now
from app.jobs.states import JobState
from app.service_stats import ServiceStats
from app.teams.service import TeamService
from app.webhooks.service import WebhookService
from app.webhooks.states import DeliveryState, EventType
from app.workers.records import WorkerState
from app.workers.service import WorkerService
from tests.support.databases import fresh
from tests.support.shop import PROBLEM, Shop


@pytest.fixture
def alone(database: Database, tmp_path: Path) -> Iterator[Shop]:
    """A shop whose database nobody else has used."""
    with fresh(database.engine.dialect.name, tmp_path) as found:
        yield Shop(found, tmp_path)


def test_everything_is_counted(alone: Shop) -> None:
    workers = WorkerService(alone.database, alone.settings)
    stats = ServiceStats(alone.database, workers)
    empty = stats.count()
    assert sum(empty.jobs.values()) == sum(empty.uploads.values()) == sum(empty.workers.values()) == 0
    assert empty.oldest_queued_seconds == 0.0
    hooks = WebhookService(alone.database, alone.settings)
    hooks.create(alone.team, "https://example.org/", [EventType.JOB_FAILED])
    alone.queue.fail(alone.claimed(), PROBLEM)
    first, second, later = alone.queued(), alone.queued(), alone.queued()
    alone.set(first.id, not_before=now() - timedelta(seconds=90))
    alone.set(second.id, not_before=now() - timedelta(seconds=10))
    alone.set(later.id, not_before=now() + timedelta(hours=1))
    alone.upload(UploadKind.DATASET, ready=False)
    workers.report("w1", "host", ["cpu", "cuda"], "0.1", WorkerState.BUSY, first.id)
    workers.report("w2", "host", ["cpu"], "0.1", WorkerState.IDLE, None)
    found = stats.count()
    assert (found.jobs[JobState.QUEUED], found.jobs[JobState.FAILED]) == (3, 1)
    assert 90 <= found.oldest_queued_seconds < 100
    assert (found.uploads[UploadState.READY], found.uploads[UploadState.STORED]) == (8, 1)
    assert found.upload_bytes == {UploadKind.CHECKPOINT: 4 * 3, UploadKind.DATASET: 5 * 3}
    assert found.deliveries == {DeliveryState.PENDING: 1, DeliveryState.DELIVERED: 0, DeliveryState.FAILED: 0}
    busy = {key: count for key, count in found.workers.items() if count}
    assert busy == {
        (WorkerState.BUSY, "cpu"): 1, (WorkerState.BUSY, "cuda"): 1, (WorkerState.IDLE, "cpu"): 1,
    }  # fmt: skip


def test_workers_name_only_the_jobs_of_whoever_asks(alone: Shop) -> None:
    job, workers = alone.queued(), WorkerService(alone.database, alone.settings)
    workers.report("w1", "host", ["cpu"], "0.1", WorkerState.BUSY, job.id)
    other = TeamService(alone.database).create_team("others").team_id
    assert [(one.state, one.job_id) for one in workers.seen_by(alone.team)] == [(WorkerState.BUSY, job.id)]
    assert [(one.state, one.job_id) for one in workers.seen_by(other)] == [(WorkerState.BUSY, None)]
