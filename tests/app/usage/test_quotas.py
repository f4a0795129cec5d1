"""What quotas promise, on every database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app.catalog.contents import new_content
from app.catalog.service import CatalogService
from app.catalog.states import UploadKind
from app.db import now
from app.errors import (
    GpuQuotaExceeded,
    Invalid,
    JobQuotaExceeded,
    NotFound,
    StorageQuotaExceeded,
    TooLarge,
    UploadQuotaExceeded,
)
from app.jobs.models import UsageRow
from app.jobs.records import NewJob
from app.storage import MultipartUpload
from app.teams.quotas import Quotas
from app.usage.quotas import QuotaAdmission, QuotaService, month_begin
from primesvt_client.facts import ResultSummary
from primesvt_client.spec_types import LARGEST
from tests.support.access import Access, in_the_middle
from tests.support.shop import MODEL, SPEC, Shop


@pytest.fixture
def catalog(shop: Shop) -> CatalogService:
    return shop.catalog_of(Quotas(upload_bytes=1000))


def announce(catalog: CatalogService, team: str, size: int) -> bool:
    try:
        catalog.create(team, UploadKind.CHECKPOINT, "a.pth", size, None)
    except StorageQuotaExceeded:
        return False
    return True


def test_a_quota_is_a_number_that_can_be_told(access: Access) -> None:
    most = dict.fromkeys(("storage_bytes", "unfinished_jobs", "gpu_minutes"), LARGEST)
    assert access.quotas.change(access.team, {**most}).gpu_minutes == LARGEST
    with pytest.raises(Invalid, match="a quota is at most"):
        access.quotas.change(access.team, {"gpu_minutes": LARGEST + 1})
    assert access.quotas.of(access.team).gpu_minutes == LARGEST


def test_what_is_stored_is_bounded(access: Access, catalog: CatalogService) -> None:
    assert announce(catalog, access.team, 1000)
    assert access.quotas.change(access.team, {"storage_bytes": 1500}).storage_bytes == 1500
    assert announce(catalog, access.team, 500)
    with pytest.raises(StorageQuotaExceeded, match=r"stores 1,500 of the 1,500 bytes.*delete uploads"):
        catalog.create(access.team, UploadKind.DATASET, "b.zip", 1, None)
    assert access.quotas.usage(access.team).storage_bytes == 1500
    first = catalog.search(access.team).items[-1]
    catalog.delete(access.team, first.id)
    assert announce(catalog, access.team, 1000)
    assert access.quotas.change(access.team, {"storage_bytes": None}).storage_bytes is None
    assert announce(catalog, access.team, 1000)


def test_artifacts_count_for_their_own_team_alone(access: Access, shop: Shop) -> None:
    claim = shop.claimed()
    before = access.quotas.usage(shop.team).storage_bytes
    shop.queue.finalize(claim)
    shop.queue.succeed(claim, [MODEL], "met", ResultSummary())
    assert access.quotas.usage(shop.team).storage_bytes == before + MODEL.size_bytes
    assert access.quotas.usage(access.team).storage_bytes == 0


def test_an_upload_waits_for_another_that_is_being_announced(access: Access, catalog: CatalogService) -> None:
    limits = access.quotas.change(access.team, {"storage_bytes": 1000})
    assert announce(catalog, access.team, 400)

    def begin(session: Session) -> None:
        QuotaAdmission(limits).admit_upload(session, access.team, 400)
        session.add(new_content(access.team, MultipartUpload("uploads/unfinished", "token"), 400))

    assert not in_the_middle(access.database, begin, lambda: announce(catalog, access.team, 400))
    assert access.quotas.usage(access.team).storage_bytes == 800


def test_one_upload_is_bounded_by_team_and_server(access: Access, catalog: CatalogService) -> None:
    access.quotas.change(access.team, {"upload_bytes": 10})
    with pytest.raises(TooLarge, match="11 bytes are more than one upload may have"):
        catalog.create(access.team, UploadKind.CHECKPOINT, "a.pth", 11, None)
    assert access.quotas.change(access.team, {"upload_bytes": 5000}).upload_bytes == 1000
    with pytest.raises(TooLarge):
        catalog.create(access.team, UploadKind.CHECKPOINT, "a.pth", 1001, None)


def test_unfinished_jobs_are_bounded(access: Access, shop: Shop) -> None:
    jobs = shop.jobs_of(Quotas(unfinished_jobs=2))
    first = shop.queued()
    shop.jobs.cancel(shop.team, first.id)
    asked = replace(same_again(shop, first.id), name="again")

    def submit(_: int) -> str | None:
        try:
            return jobs.submit(shop.team, asked).id
        except JobQuotaExceeded:
            return None

    with ThreadPoolExecutor(6) as pool:
        made = [job_id for job_id in pool.map(submit, range(6)) if job_id]
    assert len(made) == 2
    with pytest.raises(JobQuotaExceeded, match="has 2 unfinished jobs and may have 2; wait"):
        jobs.submit(shop.team, asked)
    shop.jobs.cancel(shop.team, made[0])
    assert submit(0)
    assert access.quotas.usage(shop.team).unfinished_jobs == 2


def test_gpu_minutes_of_a_month_are_bounded(access: Access, shop: Shop) -> None:
    jobs = shop.jobs_of(Quotas(gpu_minutes=10))
    first = shop.queued()
    begin = month_begin(now()).date()
    with shop.database.session() as session:
        for day, seconds in ((begin - timedelta(days=1), 6000.0), (begin, 599.0)):
            session.add(UsageRow(team_id=shop.team, day=day, run_seconds=seconds, gpu_seconds=seconds))
    assert jobs.submit(shop.team, same_again(shop, first.id))
    assert access.quotas.usage(shop.team).gpu_minutes == pytest.approx(599 / 60)
    access.change(UsageRow, UsageRow.team_id == shop.team, gpu_seconds=600.0)
    with pytest.raises(GpuQuotaExceeded, match="used 10 of the 10 GPU minutes"):
        jobs.submit(shop.team, same_again(shop, first.id))


def test_a_request_sent_again_is_no_second_job(access: Access, shop: Shop) -> None:
    jobs = shop.jobs_of(Quotas(unfinished_jobs=1))
    first = shop.queued()
    shop.jobs.cancel(shop.team, first.id)
    asked = same_again(shop, first.id)
    made = jobs.submit(shop.team, asked, "once")
    assert jobs.submit(shop.team, asked, "once").id == made.id


def same_again(shop: Shop, job_id: str) -> NewJob:
    job = shop.jobs.get(shop.team, job_id)
    return NewJob(checkpoint_id=job.checkpoint_id, dataset_id=job.dataset_id, spec=SPEC)


def test_the_servers_quotas_hold_where_a_team_has_none(access: Access) -> None:
    quotas = QuotaService(access.database, Quotas(storage_bytes=7, unfinished_jobs=3))
    assert quotas.of(access.team) == Quotas(storage_bytes=7, unfinished_jobs=3)
    assert quotas.change(access.team, {"storage_bytes": None}) == Quotas(unfinished_jobs=3)
    assert quotas.reset(access.team) == Quotas(storage_bytes=7, unfinished_jobs=3)
    assert quotas.of(access.team) == Quotas(storage_bytes=7, unfinished_jobs=3)
    with pytest.raises(NotFound):
        quotas.change("team_none", {})


def test_uploads_are_counted_empty_and_shared_ones_too(access: Access, shop: Shop) -> None:
    catalog = CatalogService(shop.database, shop.store, shop.notifier, shop.settings, QuotaAdmission(Quotas(), 3))

    def create(size: int, sha256: str | None = None) -> str:
        return catalog.create(access.team, UploadKind.CHECKPOINT, "a.pth", size, sha256).id

    digest = hashlib.sha256(b"a").hexdigest()
    first = create(1, digest)
    catalog.put_part(access.team, first, 1, [b"a"], digest)
    catalog.complete(access.team, first)
    claim = shop.uploads.claim(first, "worker")
    assert claim is not None
    shop.uploads.verified(claim, digest)
    create(0)
    create(0)
    for size, sha256 in ((0, None), (1, None), (1, digest)):
        with pytest.raises(UploadQuotaExceeded, match="has 3 uploads, as many as it may; delete some"):
            create(size, sha256)
    assert access.quotas.usage(access.team).storage_bytes == 1
    catalog.delete(access.team, catalog.search(access.team).items[0].id)
    with ThreadPoolExecutor(4) as pool:
        made = [*pool.map(lambda _: attempt(lambda: create(0)), range(4))]
    assert sum(map(bool, made)) == 1


def attempt(create: Callable[[], str]) -> str | None:
    try:
        return create()
    except UploadQuotaExceeded:
        return None


def test_what_a_team_may_still_store(access: Access, catalog: CatalogService) -> None:
    assert access.quotas.left_bytes(access.team) is None
    access.quotas.change(access.team, {"storage_bytes": 1000})
    assert announce(catalog, access.team, 400)
    assert access.quotas.left_bytes(access.team) == 600
    access.quotas.change(access.team, {"storage_bytes": 100})
    assert access.quotas.left_bytes(access.team) == 0
