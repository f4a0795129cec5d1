"""Databases that stores are tested on: SQLite in a file, and PostgreSQL where a server answers."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL, make_url

from app.db import Database, connect

KINDS = ("sqlite", "postgresql")
SERVER = os.environ.get("PRIMESVT_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
REQUIRED = os.environ.get("PRIMESVT_REQUIRE_SERVICES") == "1"


@contextmanager
def fresh_url(kind: str, folder: Path) -> Iterator[str]:
    """URL of an empty database that nobody else uses; gone afterwards."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'test.sqlite3'}"
        return
    with _created() as url:
        yield url


@contextmanager
def fresh(kind: str, folder: Path) -> Iterator[Database]:
    """An empty database with the newest schema."""
    with ExitStack() as stack:
        if kind == "sqlite":
            url = stack.enter_context(fresh_url(kind, folder))
            lay_schema(url)
        else:
            url = stack.enter_context(_created(_postgres_template()))
        database = connect(url)
        try:
            yield database
        finally:
            database.engine.dispose()


def lay_schema(url: str | URL) -> None:
    """The newest schema into a SQLite file that is not there yet; any other database is left to be migrated."""
    found = make_url(url)
    path = Path(found.database or "")
    if found.get_backend_name() == "sqlite" and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_sqlite_template())


@cache
def _sqlite_template() -> bytes:
    """A file of the newest schema: to copy it takes a hundredth of the time of migrations."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "template.sqlite3"
        _migrate(f"sqlite:///{path}")
        return path.read_bytes()


@cache
def _postgres_template() -> str:
    """Name of a database of the newest schema, of which others are copies; gone when the tests are over."""
    url = TEMPLATES.enter_context(_created())
    _migrate(url)
    return url.rpartition("/")[2]


TEMPLATES = ExitStack()
"""To be closed when the tests are over."""


def _migrate(url: str) -> None:
    database = connect(url)
    database.migrate()
    database.engine.dispose()


@contextmanager
def _created(template: str = "template1") -> Iterator[str]:
    """URL of a new PostgreSQL database, a copy of another one; gone afterwards."""
    name = f"primesvt_test_{secrets.token_hex(6)}"
    with _server() as server:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        server.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield SERVER.rpartition("/")[0].replace("postgresql://", "postgresql+psycopg://") + f"/{name}"
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _server() -> psycopg.Connection:
    try:
        return psycopg.connect(SERVER, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as error:
        if REQUIRED:
            raise
        pytest.skip(f"no PostgreSQL server at {SERVER}: {error}")
