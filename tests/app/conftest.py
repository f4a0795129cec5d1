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
    """The parts that go together: SQLite with a folder, PostgreSQL with S3."""
    kind = "file" if database.engine.dialect.name == "sqlite" else "s3"
    return Shop(database, tmp_path, fresh_store(kind, tmp_path, request))


@pytest.fixture
def access(database: Database) -> Access:
    return Access(database)
