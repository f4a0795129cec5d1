"""What every blob store promises of blobs that come in parts, on a folder and on real S3."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from app.db import now
from app.storage import BlobMissing, BlobStore, MultipartUpload, Parts, SavedAs, StoreUnavailable
from app.storage.s3 import S3Store
from tests.support.stores import KINDS, fresh_store

MIB = 1 << 20
CONTENT = secrets.token_bytes(11 * MIB + 5)
KEY = "uploads/upl_1"


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return fresh_store(request.param, tmp_path, request)


@pytest.fixture
def direct(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """S3 that clients reach themselves."""
    return fresh_store("s3", tmp_path, request, is_public=True)


@pytest.fixture
def parts(store: BlobStore) -> Parts:
    return store.plan_parts(len(CONTENT), 5 * MIB)


def created(store: BlobStore) -> tuple[MultipartUpload, Parts]:
    parts = store.plan_parts(len(CONTENT), 5 * MIB)
    return store.create_multipart(KEY, parts), parts


def part(parts: Parts, number: int, content: bytes = CONTENT) -> list[bytes]:
    start = parts.offset(number)
    return [content[start : start + parts.size_of(number)]]


def read(store: BlobStore, key: str = KEY) -> bytes:
    return b"".join(store.open(key))


def is_unchanged(store: BlobStore) -> bool:
    """S3 knows no upload that is finished any more; Swift takes the part, and then rather gives nothing than others."""
    try:
        return read(store) == CONTENT
    except (StoreUnavailable, BlobMissing):
        return isinstance(store, S3Store)


def test_parts_in_any_order_and_at_the_same_time_make_the_blob(store: BlobStore, parts: Parts) -> None:
    upload = store.create_multipart(KEY, parts)
    assert store.list_parts(upload, parts) == frozenset()
    with ThreadPoolExecutor(3) as pool:
        [*pool.map(lambda number: store.put_part(upload, parts, number, part(parts, number)), (3, 1, 2))]
    assert store.list_parts(upload, parts) == {1, 2, 3}
    assert store.size(KEY) is None
    store.complete_multipart(upload, parts)
    assert hashlib.sha256(read(store)).digest() == hashlib.sha256(CONTENT).digest()
    store.complete_multipart(upload, parts)
    assert store.size(KEY) == len(CONTENT)


@pytest.mark.parametrize("size", [0, 1])
def test_the_smallest_blobs(store: BlobStore, size: int) -> None:
    parts = store.plan_parts(size, 16 * MIB)
    upload = store.create_multipart(KEY, parts)
    store.put_part(upload, parts, 1, [b"x" * size])
    assert store.list_parts(upload, parts) == {1}
    store.complete_multipart(upload, parts)
    store.complete_multipart(upload, parts)
    assert read(store) == b"x" * size
    assert [*store.list_multipart(now() + timedelta(days=1))] == []


def test_a_part_that_breaks_off_never_replaces_one_that_arrived(store: BlobStore, parts: Parts) -> None:
    upload = store.create_multipart(KEY, parts)
    for number in (1, 2, 3):
        store.put_part(upload, parts, number, part(parts, number))

    def broken() -> Iterator[bytes]:
        yield b"x" * parts.part_bytes
        raise OSError("the line is dead")

    with pytest.raises(OSError, match="dead"):
        store.put_part(upload, parts, 1, broken())
    store.complete_multipart(upload, parts)
    assert read(store) == CONTENT


def test_a_part_may_come_again(store: BlobStore, parts: Parts) -> None:
    upload = store.create_multipart(KEY, parts)
    for number in (1, 2, 3):
        store.put_part(upload, parts, number, [b"x" * parts.size_of(number)])
    for number in (1, 2, 3):
        store.put_part(upload, parts, number, part(parts, number))
    store.complete_multipart(upload, parts)
    assert read(store) == CONTENT


def test_a_draft_with_a_missing_part_is_not_finished(store: BlobStore, parts: Parts) -> None:
    upload = store.create_multipart(KEY, parts)
    for number in (1, 3):
        store.put_part(upload, parts, number, part(parts, number))
    with pytest.raises(BlobMissing):
        store.complete_multipart(upload, parts)
    store.put_part(upload, parts, 2, part(parts, 2))
    store.complete_multipart(upload, parts)
    assert read(store) == CONTENT


def test_no_part_that_comes_late_changes_what_is_finished(store: BlobStore, parts: Parts) -> None:
    upload = store.create_multipart(KEY, parts)
    for number in (1, 2, 3):
        store.put_part(upload, parts, number, part(parts, number))
    store.complete_multipart(upload, parts)
    with suppress(BlobMissing):
        store.put_part(upload, parts, 1, [b"x" * parts.size_of(1)])
    assert is_unchanged(store)


def test_an_abandoned_draft_is_gone_with_its_parts(store: BlobStore, parts: Parts) -> None:
    upload = store.create_multipart(KEY, parts)
    store.put_part(upload, parts, 1, part(parts, 1))
    store.abort_multipart(upload)
    store.abort_multipart(upload)
    assert store.list_parts(upload, parts) == frozenset()
    assert [*store.list_multipart(now() + timedelta(days=1))] == []
    with pytest.raises(BlobMissing):
        store.put_part(upload, parts, 2, part(parts, 2))
    with pytest.raises(BlobMissing):
        store.complete_multipart(upload, parts)
    assert store.size(KEY) is None


def test_drafts_that_nobody_finished_are_listed_by_age(store: BlobStore, parts: Parts) -> None:
    upload = store.create_multipart(KEY, parts)
    finished, small = store.create_multipart("uploads/upl_2", store.plan_parts(1, MIB)), store.plan_parts(1, MIB)
    store.put_part(finished, small, 1, [b"a"])
    store.complete_multipart(finished, small)
    assert [*store.list_multipart(now() - timedelta(hours=1))] == []
    [found] = store.list_multipart(now() + timedelta(hours=1))
    assert found.token == upload.token
    store.abort_multipart(found)
    assert [*store.list_multipart(now() + timedelta(hours=1))] == []


def test_where_clients_do_not_reach_the_store_there_are_no_addresses(store: BlobStore, parts: Parts) -> None:
    assert store.presigned_part_url(MultipartUpload(KEY, "t"), parts, 1, 60) is None
    assert store.presigned_url(KEY, SavedAs("attachment", "text/plain"), 60) is None
    assert store.public_origin() == ""


def test_clients_send_parts_to_their_addresses(direct: BlobStore) -> None:
    upload, parts = created(direct)
    for number in (1, 2, 3):
        address = direct.presigned_part_url(upload, parts, number, 60)
        assert address is not None
        assert address.startswith(direct.public_origin() + "/")
        assert httpx.put(address, content=part(parts, number)[0]).status_code == 200
    assert direct.list_parts(upload, parts) == {1, 2, 3}
    direct.complete_multipart(upload, parts)
    assert read(direct) == CONTENT


def test_an_address_takes_nothing_but_its_part(direct: BlobStore) -> None:
    upload, parts = created(direct)
    address = direct.presigned_part_url(upload, parts, 1, 60)
    assert address is not None
    good = part(parts, 1)[0]
    refused = [
        httpx.put(address, content=good + b"x"),
        httpx.put(address, content=good[:-1]),
        httpx.put(address.replace("partNumber=1", "partNumber=2"), content=good),
        httpx.put(address.replace("upl_1", "upl_2"), content=good),
        httpx.get(address),
        httpx.delete(address),
        httpx.put(address, content=good, headers={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}),
    ]
    assert {answer.is_client_error for answer in refused} == {True}, refused
    assert direct.list_parts(upload, parts) == frozenset()


def test_an_address_expires_and_changes_nothing_that_is_finished(direct: BlobStore) -> None:
    upload, parts = created(direct)
    short, long = direct.presigned_part_url(upload, parts, 1, 1), direct.presigned_part_url(upload, parts, 1, 600)
    assert short is not None
    assert long is not None
    for number in (1, 2, 3):
        direct.put_part(upload, parts, number, part(parts, number))
    direct.complete_multipart(upload, parts)
    httpx.put(long, content=b"x" * parts.size_of(1))
    assert is_unchanged(direct)
    deadline = time.monotonic() + 10
    while httpx.put(short, content=b"x" * parts.size_of(1)).status_code != 403:
        assert time.monotonic() < deadline


def test_clients_fetch_blobs_from_their_addresses(direct: BlobStore) -> None:
    direct.put("a", [CONTENT])
    address = direct.presigned_url("a", SavedAs('attachment; filename="a b.bin"', "application/x-b"), 60)
    assert address is not None
    answer = httpx.get(address, headers={"Range": "bytes=5-9"})
    assert (answer.status_code, answer.content) == (206, CONTENT[5:10])
    assert answer.headers["content-disposition"] == 'attachment; filename="a b.bin"'
    assert answer.headers["content-type"] == "application/x-b"
    assert httpx.get(address.replace("/a?", "/b?")).status_code == 403
