"""What is deleted because nobody uses it, and what never is, on every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.catalog.contents import Contents
from app.catalog.models import ContentRow, UploadRow
from app.catalog.states import UploadState
from app.db import now
from app.errors import UploadNotReady
from app.jobs.models import ArtifactRow, JobRow
from app.jobs.records import Job, NewJob
from app.jobs.states import JobState
from app.teams.audit import AuditLog
from app.teams.service import TeamService
from app.usage.retention import Retention
from primesvt_client.facts import ResultSummary
from tests.support.shop import MODEL, Shop
from worker.sweeper import Sweeper

pytestmark = pytest.mark.s3

DAYS = 30


@pytest.fixture
def retention(shop: Shop) -> Retention:
    TeamService(shop.database).change(shop.team, {"retention_days": DAYS})
    shop.store.put(MODEL.blob_key, [b"abc"])
    return Retention(shop.database, shop.store)


def age(shop: Shop, days: float, *jobs: Job) -> None:
    """Let everything about some jobs have happened so many days ago."""
    then = now() - timedelta(days=days)
    with shop.database.session() as session:
        for job in jobs:
            session.execute(
                update(JobRow).where(JobRow.id == job.id, JobRow.finished_at.is_not(None)).values(finished_at=then)
            )
            used = UploadRow.id.in_([job.checkpoint_id, job.dataset_id])
            session.execute(update(UploadRow).where(used).values(updated_at=then, used_at=then, created_at=then))


def finished(shop: Shop) -> Job:
    claim = shop.claimed()
    shop.queue.finalize(claim)
    shop.queue.succeed(claim, [MODEL], "met", ResultSummary())
    return shop.job(claim)


def states(shop: Shop, job: Job) -> list[str]:
    with shop.database.session() as session:
        rows = select(UploadRow.state).where(UploadRow.id.in_([job.checkpoint_id, job.dataset_id]))
        return [*session.scalars(rows)]


def blobs(shop: Shop, job: Job) -> list[str]:
    with shop.database.session() as session:
        rows = select(ContentRow.blob_key).join(UploadRow, UploadRow.content_id == ContentRow.id)
        return [*session.scalars(rows.where(UploadRow.id.in_([job.checkpoint_id, job.dataset_id])))]


def artifacts(shop: Shop, job: Job) -> list[str]:
    with shop.database.session() as session:
        return [*session.scalars(select(ArtifactRow.name).where(ArtifactRow.job_id == job.id))]


def test_what_was_not_used_for_long_goes_and_the_job_stays(shop: Shop, retention: Retention) -> None:
    job = finished(shop)
    age(shop, DAYS + 1, job)
    bytes_of = blobs(shop, job)
    assert all(shop.store.size(key) for key in bytes_of)
    for _ in range(2):
        Sweeper(Contents(shop.database, shop.store), retention, shop.files, shop.store).sweep()
    assert [shop.store.size(key) for key in bytes_of] == [None, None]
    assert states(shop, job) == [UploadState.EXPIRED.value] * 2
    assert artifacts(shop, job) == []
    assert shop.store.size(MODEL.blob_key) is None
    assert shop.job(job).state is JobState.SUCCEEDED
    entries = AuditLog(shop.database).search(shop.team).items
    expired = [entry for entry in entries if entry.action.endswith(".expire")]
    assert sorted(entry.action for entry in expired) == ["job.expire", "upload.expire", "upload.expire"]
    assert {entry.actor_kind for entry in expired} == {"system"}
    with pytest.raises(UploadNotReady, match="not used for 30 days"):
        shop.jobs.submit(shop.team, same(shop, job))


def same(shop: Shop, job: Job) -> NewJob:
    return NewJob(checkpoint_id=job.checkpoint_id, dataset_id=job.dataset_id, spec=job.spec)


def test_what_is_young_stays(shop: Shop, retention: Retention) -> None:
    job = finished(shop)
    age(shop, DAYS - 1, job)
    retention.enforce()
    assert states(shop, job) == [UploadState.READY.value] * 2
    assert artifacts(shop, job)


def test_what_an_unfinished_job_needs_is_never_too_old(shop: Shop, retention: Retention) -> None:
    waiting, running = shop.queued(), shop.job(shop.claimed())
    age(shop, 10 * DAYS, waiting, running)
    retention.enforce()
    for job in (waiting, running):
        assert states(shop, job) == [UploadState.READY.value] * 2


def test_a_job_that_ended_lately_has_used_its_data_lately(shop: Shop, retention: Retention) -> None:
    job = finished(shop)
    age(shop, DAYS + 1, job)
    with shop.database.session() as session:
        session.execute(update(JobRow).where(JobRow.id == job.id).values(finished_at=now()))
    retention.enforce()
    assert states(shop, job) == [UploadState.READY.value] * 2
    assert artifacts(shop, job)


def test_a_download_is_a_use(shop: Shop, retention: Retention) -> None:
    job = finished(shop)
    age(shop, DAYS + 1, job)
    assert b"".join(shop.jobs.read(shop.jobs.artifact(shop.team, job.id, MODEL.name))) == b"abc"
    retention.enforce()
    assert artifacts(shop, job)


def test_a_job_submitted_with_old_data_makes_it_young(shop: Shop, retention: Retention) -> None:
    job = finished(shop)
    age(shop, DAYS + 1, job)
    again = shop.jobs.submit(shop.team, same(shop, job))
    retention.enforce()
    assert states(shop, job) == [UploadState.READY.value] * 2
    shop.jobs.cancel(shop.team, again.id)
    shop.jobs.delete(shop.team, again.id)
    retention.enforce()
    assert states(shop, job) == [UploadState.READY.value] * 2


def test_teams_that_keep_everything_keep_everything(shop: Shop, retention: Retention) -> None:
    TeamService(shop.database).change(shop.team, {"retention_days": None})
    job = finished(shop)
    age(shop, 10_000, job)
    retention.enforce()
    assert states(shop, job) == [UploadState.READY.value] * 2
    assert artifacts(shop, job)


def test_a_job_that_is_submitted_meanwhile_has_its_data_or_is_refused(shop: Shop, retention: Retention) -> None:
    for _ in range(4):
        job = finished(shop)
        age(shop, DAYS + 1, job)

        def submit(asked: Any) -> Job | None:
            try:
                return shop.jobs.submit(shop.team, asked)
            except UploadNotReady:
                return None

        with ThreadPoolExecutor(2) as pool:
            deleting = pool.submit(retention.enforce)
            made = pool.submit(submit, same(shop, job)).result()
            deleting.result()
        found = set(states(shop, job))
        if made is None:
            assert UploadState.EXPIRED.value in found
        else:
            assert found == {UploadState.READY.value}
            shop.jobs.cancel(shop.team, made.id)
