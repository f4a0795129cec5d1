"""Databases that stores are tested on: SQLite in a file, and PostgreSQL where a server answers."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

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
    name = f"primesvt_test_{secrets.token_hex(6)}"
    with _server() as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield SERVER.rpartition("/")[0].replace("postgresql://", "postgresql+psycopg://") + f"/{name}"
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def fresh(kind: str, folder: Path) -> Iterator[Database]:
    """An empty database with the newest schema."""
    with fresh_url(kind, folder) as url:
        database = connect(url)
        database.migrate()
        try:
            yield database
        finally:
            database.engine.dispose()


def _server() -> psycopg.Connection:
    try:
        return psycopg.connect(SERVER, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as error:
        if REQUIRED:
            raise
        pytest.skip(f"no PostgreSQL server at {SERVER}: {error}")
