"""What every blob store promises, on a folder and on real S3."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.settings import Settings
from app.storage import BlobMissing, BlobStore, Parts, StoreFull, StoreUnavailable, open_store, store_of
from app.storage.local import LocalStore
from tests.support.stores import KINDS, fresh_store, store_url
from tests.support.swift import Swift

MIB = 1 << 20
BYTES = bytes(range(256)) * 40
LARGE = secrets.token_bytes(MIB) * 21
"""More than a part of what S3 takes in several parts."""


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return fresh_store(request.param, tmp_path, request)


def read(store: BlobStore, key: str, start: int = 0, length: int | None = None) -> bytes:
    return b"".join(store.open(key, start, length))


def in_pieces(content: bytes, size: int = MIB) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("name", ["a b?c#d%20", "\udcff"])
def test_a_data_folder_may_have_any_name(name: str, tmp_path: Path) -> None:
    store_of(Settings(data_dir=tmp_path / name)).put("a/b", [b"c"])
    assert (tmp_path / name / "blobs").is_dir()


@pytest.mark.parametrize("content", [b"", b"a", BYTES, LARGE], ids=["empty", "one", "small", "large"])
def test_what_was_put_is_there_with_its_digest(store: BlobStore, content: bytes) -> None:
    stored = store.put("a/b.c-d_e", in_pieces(content))
    assert (stored.size, stored.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert store.size("a/b.c-d_e") == len(content)
    assert read(store, "a/b.c-d_e") == content


@pytest.mark.parametrize(
    ("start", "length"), [(0, 1), (0, None), (100, 56), (100, None), (10239, 5), (10240, None), (10240, 3), (0, 0)]
)
def test_ranges(store: BlobStore, start: int, length: int | None) -> None:
    store.put("ranged", [BYTES])
    assert read(store, "ranged", start, length) == (BYTES[start:] if length is None else BYTES[start : start + length])


def test_a_range_of_a_large_blob_crosses_its_parts(store: BlobStore) -> None:
    store.put("large", in_pieces(LARGE))
    assert read(store, "large", 8 * MIB - 100, 9 * MIB) == LARGE[8 * MIB - 100 : 17 * MIB - 100]


def test_what_is_missing(store: BlobStore) -> None:
    assert store.size("nothing") is None
    store.delete("nothing")
    with pytest.raises(BlobMissing):
        read(store, "nothing")


def test_a_blob_that_is_deleted_is_gone(store: BlobStore) -> None:
    store.put("a", [b"abc"])
    store.delete("a")
    assert store.size("a") is None


def test_an_older_blob_is_replaced(store: BlobStore) -> None:
    store.put("a", in_pieces(LARGE))
    store.put("a", [b"abc"])
    assert read(store, "a") == b"abc"


@pytest.mark.parametrize("content", [BYTES, LARGE], ids=["small", "large"])
def test_a_source_that_breaks_off_leaves_what_was_there(store: BlobStore, content: bytes) -> None:
    def broken() -> Iterator[bytes]:
        yield from in_pieces(content)
        raise OSError("the line is dead")

    store.put("a", [b"abc"])
    for key in ("a", "new"):
        with pytest.raises(OSError, match="dead"):
            store.put(key, broken())
    assert read(store, "a") == b"abc"
    assert store.size("new") is None


def test_of_many_writers_one_is_there_whole(store: BlobStore) -> None:
    contents = [secrets.token_bytes(1 << 18) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        [*pool.map(lambda content: store.put("raced", in_pieces(content, 1 << 14)), contents)]
    assert read(store, "raced") in contents


def test_a_store_that_answers_is_ready(store: BlobStore) -> None:
    assert store.is_ready()


@pytest.mark.parametrize("key", ["", "/a", "a/../b", "A", "a//b", "a b", "../a"])
def test_other_keys_than_ours_are_defects(store: BlobStore, key: str) -> None:
    with pytest.raises(ValueError, match="storage key"):
        store.put(key, [b""])


def test_stores_of_one_place_with_different_prefixes_do_not_meet(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url, endpoint = store_url("s3", tmp_path, request)
    one, other = (open_store(f"{url}/{name}", endpoint) for name in ("one", "other"))
    one.put("a", [b"abc"])
    assert other.size("a") is None


def test_what_was_put_survives_the_death_of_the_server(
    swift: Swift, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    store = open_store(*store_url("s3", tmp_path, request))
    store.put("a", in_pieces(LARGE))
    swift.kill()
    assert not store.is_ready()
    swift.start()
    assert read(store, "a") == LARGE


def test_a_fault_of_the_disk_names_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path / "blobs")

    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))  # as the system calls it: of which file it does not say

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StoreUnavailable, match=f"Input/output error: '{tmp_path / 'blobs'}'"):
        store.put("a/b", [b"content"])
    shutil.rmtree(tmp_path / "blobs")
    with pytest.raises(StoreUnavailable, match=str(tmp_path / "blobs")):
        store.put("a/b", [b"content"])
    with pytest.raises(StoreUnavailable, match=str(tmp_path / "blobs")):
        store.create_multipart("a/b", Parts(3, 3))


def test_a_folder_leaves_room_for_everything_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a part, too: nothing of it stays, and what was there before does."""
    store = store_of(Settings(data_dir=tmp_path, keep_free_bytes=100 * MIB))
    parts = Parts(2 * MIB, MIB)
    upload = store.create_multipart("a", parts)
    store.put_part(upload, parts, 1, [b"1" * MIB])
    free = iter([101 * MIB, 99 * MIB] + [99 * MIB] * 9)

    class Disk:
        @property
        def free(self) -> int:
            return next(free)

    with monkeypatch.context() as patch:
        patch.setattr("app.storage.local.shutil.disk_usage", lambda _: Disk())
        with pytest.raises(StoreFull, match="kept free"):
            store.put_part(upload, parts, 2, in_pieces(b"2" * MIB, MIB // 2))
        for write in (lambda: store.put("b", [b"b"]), lambda: store.create_multipart("c", parts)):
            with pytest.raises(StoreFull):
                write()
        with pytest.raises(StoreFull):
            store.put_part(upload, parts, 1, [b"3" * MIB])
    assert store.list_parts(upload, parts) == frozenset({1})
    assert store.size("b") is None
    store.put_part(upload, parts, 2, [b"2" * MIB])
    store.complete_multipart(upload, parts)
    assert read(store, "a") == b"1" * MIB + b"2" * MIB
