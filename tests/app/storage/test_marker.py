"""Processes that do not share their storage find that out."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete

from app.db import Database
from app.storage import StorageMarker
from app.storage.local import LocalStore
from app.storage.marker import StorageMarkRow


@pytest.fixture(autouse=True)
def nothing_is_marked(database: Database) -> None:
    with database.session() as session:
        session.execute(delete(StorageMarkRow))


def test_a_store_that_another_process_has_not_marked_is_recognised(database: Database, tmp_path: Path) -> None:
    ours, other = LocalStore(tmp_path / "ours"), LocalStore(tmp_path / "other")
    assert StorageMarker(database, other).is_here()  # nobody has marked any yet
    StorageMarker(database, ours).place()
    for _ in range(2):  # a process that starts again, or a second one, marks nothing new
        StorageMarker(database, ours).place()
        StorageMarker(database, other).place()
    assert StorageMarker(database, ours).is_here()
    assert not StorageMarker(database, other).is_here()
    assert len([*(tmp_path / "ours" / "marks").iterdir()]) == 1
    assert not (tmp_path / "other" / "marks").exists()


def test_two_that_mark_at_once_leave_one_mark(database: Database, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    first, second = StorageMarker(database, store), StorageMarker(database, store)
    second._known()  # has looked before the first one marks
    first.place()
    second.place()
    assert first.is_here()
    assert second.is_here()
    assert len([*(tmp_path / "marks").iterdir()]) == 1
