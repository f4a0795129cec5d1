"""Deleting what storage holds without need."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.catalog.contents import Contents
from app.catalog.states import UploadKind
from app.usage.retention import Retention
from tests.support.databases import fresh
from tests.support.shop import Shop
from worker.sweeper import Sweeper


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with fresh("sqlite", tmp_path) as database:
        yield Shop(database, tmp_path)


def test_what_cannot_be_deleted_stops_no_reconciler(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = shop.upload(UploadKind.DATASET)

    def read_only(key: str) -> None:
        raise PermissionError(errno.EROFS, key)

    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "delete", read_only)
        with pytest.raises(PermissionError):
            shop.catalog.delete(shop.team, upload.id)
        sweeper(shop).sweep()
    [blob] = [path for path in (shop.settings.data_dir / "blobs" / "uploads").rglob("*") if path.is_file()]
    sweeper(shop).sweep()
    assert not blob.exists()


def sweeper(shop: Shop) -> Sweeper:
    contents, retention = Contents(shop.database, shop.store), Retention(shop.database, shop.store)
    return Sweeper(contents, retention, shop.files, shop.store)
