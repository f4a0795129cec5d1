"""What uploads promise, on every database: whole or not at all, one verdict, nothing left behind."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.catalog.models import ContentRow, UploadRow
from app.catalog.records import Upload
from app.catalog.states import UploadKind, UploadState
from app.db import now
from app.errors import DigestMismatch, InvalidCursor, LostClaim, NotFound, PartOutOfRange, UploadClosed
from app.paging import encode
from app.storage import BlobMissing
from app.teams.service import TeamService
from primesvt_client.facts import NO_FACTS
from tests.support.shop import PROBLEM, Shop

pytestmark = pytest.mark.s3


def begun(shop: Shop, sha256: str | None = None) -> Upload:
    return shop.catalog.create(shop.team, UploadKind.CHECKPOINT, "a.pth", 3, sha256)


def put(shop: Shop, upload: Upload, chunks: Iterable[bytes] = (b"abc",), sha256: str | None = None) -> Upload:
    return shop.catalog.put_part(shop.team, upload.id, 1, chunks, sha256)


def nothing_is_left(shop: Shop) -> bool:
    with shop.database.session() as session:
        left = [*session.scalars(select(ContentRow).where(ContentRow.team_id == shop.team))]
    return not left and not [*shop.store.list_multipart(now() + timedelta(days=1))]


def state(shop: Shop, upload: Upload) -> UploadState:
    return shop.catalog.get(shop.team, upload.id).state


@pytest.mark.parametrize(
    ("chunks", "sha256", "refusal"),
    [
        ((b"xyz",), hashlib.sha256(b"abc").hexdigest(), DigestMismatch),
        ((b"x",), None, PartOutOfRange),
        ((b"xy", b"zzz"), None, PartOutOfRange),
    ],
)
def test_a_part_that_does_not_fit_never_replaces_one_that_did(
    shop: Shop, chunks: tuple[bytes, ...], sha256: str | None, refusal: type[Exception]
) -> None:
    upload = begun(shop)
    put(shop, upload)
    with pytest.raises(refusal):
        put(shop, upload, chunks, sha256)
    assert shop.catalog.complete(shop.team, upload.id).state is UploadState.STORED
    assert shop.assemble(shop.upload_claim(upload.id)) == b"abc"


def test_an_upload_deleted_while_a_part_arrives_leaves_nothing(shop: Shop) -> None:
    upload = begun(shop)

    def arriving() -> Iterator[bytes]:
        yield b"ab"
        shop.catalog.delete(shop.team, upload.id)
        yield b"c"

    with pytest.raises(NotFound):
        put(shop, upload, arriving())
    assert nothing_is_left(shop)


def test_an_upload_deleted_while_it_is_completed_leaves_nothing(shop: Shop) -> None:
    upload = begun(shop)
    put(shop, upload)
    shop.catalog.complete(shop.team, upload.id)
    claim = shop.upload_claim(upload.id)
    shop.catalog.delete(shop.team, upload.id)
    assert claim.multipart is not None
    with pytest.raises(BlobMissing):
        shop.store.complete_multipart(claim.multipart, claim.parts)
    with pytest.raises(LostClaim):
        shop.uploads.assembled(claim)
    assert nothing_is_left(shop)


def test_a_part_that_comes_late_does_not_open_a_completed_upload(shop: Shop) -> None:
    upload = begun(shop)

    def late() -> None:
        with pytest.raises(UploadClosed):
            put(shop, upload)

    with shop.uncommitted(late) as session:
        session.get_one(UploadRow, upload.id, with_for_update=True).state = UploadState.STORED.value
    assert state(shop, upload) is UploadState.STORED


def test_a_verdict_under_way_is_not_taken_back_by_the_reconciler(shop: Shop) -> None:
    upload = shop.upload(UploadKind.CHECKPOINT, ready=False)
    shop.upload_claim(upload.id)
    shop.forget_workers()
    with shop.uncommitted(shop.reconcile_uploads) as session:
        session.get_one(UploadRow, upload.id, with_for_update=True).state = UploadState.READY.value
    assert state(shop, upload) is UploadState.READY


def test_a_completion_under_way_does_not_expire(shop: Shop) -> None:
    upload = begun(shop)
    shop.set_upload(upload.id, updated_at=now() - timedelta(days=2))
    with shop.uncommitted(shop.reconcile_uploads) as session:
        session.get_one(UploadRow, upload.id, with_for_update=True).state = UploadState.STORED.value
    assert state(shop, upload) is UploadState.STORED


def test_a_shutdown_is_no_attempt(shop: Shop) -> None:
    upload = shop.upload(UploadKind.CHECKPOINT, ready=False)
    for _ in range(5):
        shop.uploads.hand_back(shop.upload_claim(upload.id))
    assert state(shop, upload) is UploadState.STORED


def test_another_teams_uploads_do_not_exist(shop: Shop) -> None:
    upload, other = begun(shop), TeamService(shop.database).create_team("others").team_id
    for act in (shop.catalog.get, shop.catalog.complete, shop.catalog.delete):
        with pytest.raises(NotFound):
            act(other, upload.id)
    with pytest.raises(NotFound):
        shop.catalog.put_part(other, upload.id, 1, [b"abc"], None)
    assert not shop.catalog.search(other).items
    assert shop.catalog.get(shop.team, upload.id) == upload


def test_uploads_are_found_by_page_kind_and_state(shop: Shop) -> None:
    made = [shop.upload(kind, ready=False).id for kind in [UploadKind.CHECKPOINT, UploadKind.DATASET] * 2]
    first = shop.catalog.search(shop.team, limit=3)
    rest = shop.catalog.search(shop.team, cursor=first.next_cursor, limit=3)
    assert [upload.id for upload in (*first.items, *rest.items)] == made[::-1]
    assert rest.next_cursor is None
    found = shop.catalog.search(shop.team, UploadKind.DATASET, UploadState.STORED)
    assert [upload.id for upload in found.items] == [made[3], made[1]]
    with pytest.raises(InvalidCursor):
        shop.catalog.search(shop.team, cursor=encode(shop.jobs.submit(shop.team, shop.asked()).id))


def test_of_many_claims_on_an_upload_one_wins_and_a_lost_one_writes_nothing(shop: Shop) -> None:
    upload = shop.upload(UploadKind.CHECKPOINT, ready=False)
    with ThreadPoolExecutor(8) as pool:
        claims = [*pool.map(lambda number: shop.uploads.claim(upload.id, f"w{number}"), range(16))]
    [stale] = [claim for claim in claims if claim is not None]
    shop.forget_workers()
    assert upload.id in shop.reconcile_uploads()
    claim = shop.upload_claim(upload.id, "another")
    writes: tuple[Callable[[], None], ...] = (
        lambda: shop.uploads.heartbeat(stale), lambda: shop.uploads.accept(stale, NO_FACTS),
        lambda: shop.uploads.refuse(stale, PROBLEM), lambda: shop.uploads.release(stale, PROBLEM),
        lambda: shop.uploads.hand_back(stale),
    )  # fmt: skip
    for write in writes:
        with pytest.raises(LostClaim):
            write()
    shop.uploads.release(claim, PROBLEM)
    claim = shop.upload_claim(upload.id, "another")
    shop.uploads.release(claim, PROBLEM)
    found = shop.catalog.get(shop.team, upload.id)
    assert (found.state, found.problem) == (UploadState.REJECTED, PROBLEM)


def test_an_upload_that_is_never_completed_expires(shop: Shop) -> None:
    upload = shop.catalog.create(shop.team, UploadKind.DATASET, "half", 3, None)
    shop.reconcile_uploads()
    assert shop.catalog.get(shop.team, upload.id).state is UploadState.CREATED
    shop.set_upload(upload.id, updated_at=now() - timedelta(days=2))
    shop.reconcile_uploads()
    assert shop.catalog.get(shop.team, upload.id).state is UploadState.EXPIRED
