"""Every database that the service runs on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db import Database
from tests.support.access import Access
from tests.support.databases import KINDS, fresh
from tests.support.shop import Shop
from tests.support.stores import fresh_store


@pytest.fixture(params=KINDS, scope="module")
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with fresh(request.param, tmp_path_factory.mktemp("database")) as found:
        yield found


@pytest.fixture
def shop(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Shop:
    """The parts that go together: SQLite with a folder, PostgreSQL with S3 where a test is of stored bytes."""
    needs_s3 = database.engine.dialect.name == "postgresql" and request.node.get_closest_marker("s3") is not None
    kind = "s3" if needs_s3 else "file"
    return Shop(database, tmp_path, fresh_store(kind, tmp_path, request))


@pytest.fixture
def access(database: Database) -> Access:
    return Access(database)
