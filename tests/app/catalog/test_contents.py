"""What uploads promise of their bytes, everywhere: sent once, verified, shared within a team, gone in time."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from app.catalog.contents import Contents
from app.catalog.models import ContentRow
from app.catalog.records import Upload
from app.catalog.states import UploadKind, UploadState
from app.db import Database, now
from app.errors import PartOutOfRange, UploadClosed, UploadIncomplete
from app.storage import BlobMissing, StoreUnavailable
from app.teams.service import TeamService
from primesvt_client.facts import CheckpointFacts
from tests.support.shop import Shop
from tests.support.stores import fresh_store

pytestmark = pytest.mark.s3

CONTENT = b"abc"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
CHECKPOINT = UploadKind.CHECKPOINT


def announced(shop: Shop, name: str = "a.pth", sha256: str | None = SHA256, team: str = "") -> Upload:
    return shop.catalog.create(team or shop.team, CHECKPOINT, name, len(CONTENT), sha256)


def looked_into(shop: Shop, upload: Upload) -> Upload:
    """Through to the verdict, as a worker does it with content that is right."""
    claim = shop.upload_claim(upload.id)
    shop.assemble(claim)
    shop.uploads.verified(claim, SHA256)
    shop.uploads.accept(claim, CheckpointFacts(family="spikformer"))
    return shop.catalog.get(shop.team, upload.id)


def ready(shop: Shop, sha256: str | None = SHA256) -> Upload:
    upload = announced(shop, sha256=sha256)
    shop.catalog.put_part(shop.team, upload.id, 1, [CONTENT], None)
    shop.catalog.complete(shop.team, upload.id)
    return looked_into(shop, upload)


def contents(shop: Shop) -> list[ContentRow]:
    with shop.database.session() as session:
        return [*session.scalars(select(ContentRow).where(ContentRow.team_id == shop.team))]


def kept(shop: Shop, key: str) -> bool:
    return shop.store.size(key) == len(CONTENT)


def test_bytes_that_the_team_has_need_not_be_sent(shop: Shop) -> None:
    first, again = ready(shop), announced(shop, sha256=SHA256.upper())
    assert (again.state, again.received_parts) == (UploadState.READY, (1,))
    assert (again.facts, again.sha256) == (first.facts, SHA256)
    other = announced(shop, name="b.safetensors")  # its ending may say something else
    assert other.state is UploadState.STORED
    assert other.id in shop.notifier.notified
    claim = shop.upload_claim(other.id)
    assert (claim.multipart, claim.content.sha256) == (None, SHA256)
    assert b"".join(shop.store.open(claim.content.blob_key)) == CONTENT
    assert len(contents(shop)) == 1


def test_nothing_is_shared_unverified_or_between_teams_or_for_the_digest_alone(shop: Shop) -> None:
    unverified = announced(shop)
    shop.catalog.put_part(shop.team, unverified.id, 1, [CONTENT], None)
    shop.catalog.complete(shop.team, unverified.id)
    assert announced(shop).state is UploadState.CREATED
    looked_into(shop, unverified)
    assert announced(shop, team=TeamService(shop.database).create_team("others").team_id).state is UploadState.CREATED
    longer = shop.catalog.create(shop.team, CHECKPOINT, "a.pth", len(CONTENT) + 1, SHA256)
    assert longer.state is UploadState.CREATED
    assert announced(shop, sha256=None).state is UploadState.CREATED
    assert announced(shop).state is UploadState.READY


def test_a_deletion_that_was_cut_short_is_shared_with_nobody(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = ready(shop)
    delete = shop.store.delete

    def answer_lost(key: str) -> None:
        delete(key)
        raise StoreUnavailable("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "delete", answer_lost)
        with pytest.raises(StoreUnavailable):
            shop.catalog.delete(shop.team, upload.id)
    assert len(contents(shop)) == 1
    assert announced(shop).state is UploadState.CREATED  # its bytes have to be sent
    Contents(shop.database, shop.store).sweep()
    [left] = contents(shop)
    assert left.sha256 is None


def test_bytes_whose_digest_nobody_announced_are_shared_once_it_is_known(shop: Shop) -> None:
    first = ready(shop)
    [content] = contents(shop)
    second = ready(shop, sha256=None)
    assert second.sha256 == SHA256
    assert len(contents(shop)) == 2
    Contents(shop.database, shop.store).sweep()
    assert [row.id for row in contents(shop)] == [content.id]
    for upload in (first, second):
        shop.catalog.delete(shop.team, upload.id)
    assert not contents(shop)


def test_shared_bytes_go_with_the_last_upload(shop: Shop) -> None:
    first, second = ready(shop), announced(shop)
    [content] = contents(shop)
    shop.catalog.delete(shop.team, first.id)
    assert kept(shop, content.blob_key)
    shop.catalog.delete(shop.team, second.id)
    assert not kept(shop, content.blob_key)
    assert not contents(shop)
    assert announced(shop).state is UploadState.CREATED


def test_of_a_deletion_and_an_announcement_at_once_either_comes_first(shop: Shop) -> None:
    for _ in range(5):
        first = ready(shop)
        with ThreadPoolExecutor(2) as pool:
            deleting = pool.submit(shop.catalog.delete, shop.team, first.id)
            second = pool.submit(announced, shop).result()
            deleting.result()
        if second.state is not UploadState.CREATED:
            [content] = contents(shop)
            assert kept(shop, content.blob_key)
        else:
            shop.catalog.put_part(shop.team, second.id, 1, [CONTENT], None)
        shop.catalog.delete(shop.team, second.id)
        assert not contents(shop)


def test_a_deletion_that_was_cut_short_is_finished_by_the_sweep(shop: Shop) -> None:
    upload, sweep = ready(shop), Contents(shop.database, shop.store).sweep
    [content] = contents(shop)
    sweep()
    assert kept(shop, content.blob_key)
    shop.set_upload(upload.id, content_id=None)  # as if the upload's row was gone and its bytes not yet
    sweep()
    assert not kept(shop, content.blob_key)
    assert not contents(shop)


def test_an_expired_upload_leaves_no_parts(shop: Shop) -> None:
    upload = announced(shop)
    shop.catalog.put_part(shop.team, upload.id, 1, [CONTENT], None)
    shop.set_upload(upload.id, state=UploadState.EXPIRED.value)
    Contents(shop.database, shop.store).sweep()
    assert not contents(shop)
    assert [*shop.store.list_multipart(now() + timedelta(days=1))] == []
    found = shop.catalog.get(shop.team, upload.id)
    assert (found.state, found.received_parts) == (UploadState.EXPIRED, ())
    with pytest.raises(UploadClosed):
        shop.catalog.put_part(shop.team, upload.id, 1, [CONTENT], None)


def test_multipart_uploads_without_a_row_are_aborted_in_time(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = announced(shop)
    parts = shop.store.plan_parts(3, 100)
    unknown = shop.store.create_multipart("uploads/upl_unknown", parts)
    Contents(shop.database, shop.store).sweep_multipart()
    assert {upload.token for upload in shop.store.list_multipart(now() + timedelta(days=1))} > {unknown.token}
    monkeypatch.setattr("app.catalog.contents.UNKNOWN_SECONDS", -60.0)
    Contents(shop.database, shop.store).sweep_multipart()
    left = [upload.token for upload in shop.store.list_multipart(now() + timedelta(days=1))]
    [content] = contents(shop)
    assert left == [content.multipart_token]
    shop.catalog.put_part(shop.team, upload.id, 1, [CONTENT], None)


def test_a_worker_that_dies_between_making_the_whole_and_saying_so_is_followed_by_another(shop: Shop) -> None:
    upload = announced(shop)
    shop.catalog.put_part(shop.team, upload.id, 1, [CONTENT], None)
    shop.catalog.complete(shop.team, upload.id)
    claim = shop.upload_claim(upload.id)
    assert claim.multipart is not None
    shop.store.complete_multipart(claim.multipart, claim.parts)
    shop.uploads.hand_back(claim)
    assert looked_into(shop, upload).state is UploadState.READY


def test_where_clients_do_not_reach_the_storage_parts_have_no_address(shop: Shop) -> None:
    upload = announced(shop)
    assert shop.catalog.presigned_parts(shop.team, upload.id, [1]) == []
    with pytest.raises(PartOutOfRange):
        shop.catalog.presigned_parts(shop.team, upload.id, [2])


@pytest.fixture
def direct(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Shop:
    """S3 that clients reach themselves."""
    return Shop(database, tmp_path, fresh_store("s3", tmp_path, request, is_public=True))


def test_parts_that_clients_send_to_storage_themselves_count(direct: Shop) -> None:
    upload = announced(direct)
    [address] = direct.catalog.presigned_parts(direct.team, upload.id, [1])
    assert timedelta(minutes=14) < address.expires_at - now() <= timedelta(minutes=15)
    with pytest.raises(UploadIncomplete):
        direct.catalog.complete(direct.team, upload.id)
    assert httpx.put(address.url, content=CONTENT).status_code == 200
    assert direct.catalog.get(direct.team, upload.id).received_parts == (1,)
    assert direct.catalog.complete(direct.team, upload.id).state is UploadState.STORED
    with pytest.raises(UploadClosed):
        direct.catalog.presigned_parts(direct.team, upload.id, [1])
    assert looked_into(direct, upload).state is UploadState.READY


def test_an_address_is_of_no_use_once_its_upload_is_deleted(direct: Shop) -> None:
    upload = announced(direct)
    [address] = direct.catalog.presigned_parts(direct.team, upload.id, [1])
    [content] = contents(direct)
    direct.catalog.delete(direct.team, upload.id)
    assert httpx.put(address.url, content=CONTENT).status_code == 404
    with pytest.raises(BlobMissing):
        b"".join(direct.store.open(content.blob_key))
