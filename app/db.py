"""The database: one transaction a block, on SQLite or PostgreSQL."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, DateTime, Dialect, Engine, MetaData, TypeDecorator, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session

from primesvt_client.errors import ReportedError

log = logging.getLogger(__name__)

BUSY_SECONDS = 30
IDLE_SECONDS = 60
CONNECT_SECONDS = 10
"""How long anybody waits for a connection to PostgreSQL, a new one or one that others use."""

PATIENCE_SECONDS = 60.0
"""How long a process that starts waits for its database."""

QUIET: dict[str, Any] = {"hide_parameters": True}
"""What a failed statement would have written may be a secret, and errors are logged."""

MIGRATION_LOCK = 0x70737674
MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


class DatabaseUnusable(ReportedError):
    """The database cannot be used; the message says which, why, and what to do.

    ``is_input`` says whether its URL is wrong, rather than the database or the way to it.
    """

    code = "database_unusable"

    def __init__(self, message: str, *, is_input: bool = False) -> None:
        super().__init__(message)
        self.is_input = is_input


AWAY_STATES = ("08", "53", "57", "40", "55P03", "25P03")
"""How codes of PostgreSQL begin: connection lost, no resources, shut down, deadlock, row locked, idle for too long."""

AWAY_FILES = frozenset({"SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_READONLY"})
FULL = frozenset({"SQLITE_FULL", "53100"})


def is_full(error: BaseException) -> bool:
    """Whether the database has no room left on its disk."""
    if not isinstance(error, DBAPIError):
        return False
    return _code(error) in FULL or any(words in str(error.orig) for words in DISK_FULL)


def is_away(error: SQLAlchemyError) -> bool:
    """Whether the database cannot be reached or is locked: the same may work in a moment."""
    if isinstance(error, PoolTimeout | InterfaceError):
        return True
    if not isinstance(error, DBAPIError) or is_full(error):
        return False
    code = _code(error)
    no_answer = isinstance(error, OperationalError) and not code
    is_locked = any(code.startswith(name) for name in AWAY_FILES)
    return error.connection_invalidated or no_answer or is_locked or code.startswith(AWAY_STATES)


def _code(error: SQLAlchemyError) -> str:
    """What the database itself calls an error; empty if it never answered."""
    cause = getattr(error, "orig", None)
    return str(getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or "")


class Base(DeclarativeBase):
    """All tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC; SQLite, which knows no time zones, gets it back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


DISK_FULL = ("database or disk is full", "No space left on device")
"""How SQLite and PostgreSQL say so."""


def insert(session: Session, table: type[Base]) -> Any:
    """An INSERT that may say what to do where a row is there already, for the session's database."""
    dialect: Any = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def partial(condition: str) -> dict[str, Any]:
    """The options of an index of those rows alone for which a condition holds."""
    return {"postgresql_where": text(condition), "sqlite_where": text(condition)}


def now() -> datetime:
    """This moment in UTC."""
    return datetime.now(UTC)


class Database:
    """An engine and its transactions."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # One statement sees one state of things on PostgreSQL anyway; without a transaction it is asked alone.
        options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"} if engine.dialect.name == "postgresql" else {}
        self._reading = engine.execution_options(reads_only=True, **options)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back if anything is raised."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """For statements that only read: cheaper, and nobody waits for them; on SQLite all see the same state."""
        with Session(self._reading, expire_on_commit=False) as session:
            yield session

    def migrate(self) -> None:
        """Bring the schema to the newest version; processes that start together do so one after another."""
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        # One transaction around all, begun before the version is read: Alembic alone commits after each on SQLite.
        with self.engine.begin() as connection:
            if connection.dialect.name == "postgresql":  # SQLite's transactions are begun with a lock anyway
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def migrate_patiently(self) -> None:
        """`migrate`, for a process that may be started before its database, or while that is restarted.

        Raises:
            DBAPIError: the database did not answer for `PATIENCE_SECONDS`, or refuses.
        """
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.migrate()
            except DBAPIError as error:
                is_away = isinstance(error, OperationalError) or error.connection_invalidated
                if not is_away or time.monotonic() > give_up_at:
                    raise
                log.warning("database_away", extra={"reason": str(error.orig)})
                time.sleep(1.0)

    def revision(self) -> str | None:
        """The schema's version; None before the first migration."""
        with self.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    @staticmethod
    @cache
    def known_revisions() -> tuple[str, ...]:
        """The versions of the schema that this code knows, newest first."""
        return tuple(script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions())

    def is_ready(self) -> bool:
        """Whether a query is answered."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True


def connect(url: str | URL) -> Database:
    """Open a database; a SQLite file's folder is made.

    Raises:
        DatabaseUnusable: that is not a database URL.
    """
    try:
        engine = _engine(make_url(url))
    except (ArgumentError, ImportError, ValueError):  # not quoted: what stands in a URL by mistake may be a password
        raise DatabaseUnusable(
            "the URL of the database is wrong, or of a kind that is not installed; write PRIMESVT_DATABASE_URL like"
            " sqlite:////folder/file.sqlite3 or postgresql+psycopg://user:password@host/name",
            is_input=True,
        ) from None
    if engine.dialect.name == "sqlite":
        _make_private(Path(engine.url.database or ""))
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_immediately)
    return Database(engine)


@contextmanager
def opened(url: str | URL) -> Iterator[Database]:
    """A database with the newest schema, closed when the block ends.

    Raises:
        DatabaseUnusable: it does not answer as it should, now or while the block runs.
    """
    database = connect(url)
    try:
        database.migrate()
        yield database
    except DBAPIError as error:
        raise _unusable(database.engine.url, error.orig or error) from None
    except CommandError as error:
        raise _unusable(database.engine.url, error, "use the newer PrimeSVT that made it") from None
    finally:
        database.engine.dispose()


def _make_private(path: Path) -> None:
    """Make a database's file, for its user alone whatever the umask; SQLite gives its other files the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):  # it is there, or cannot be made, which SQLite tells
        path.touch(mode=0o600, exist_ok=False)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        return create_engine(url, **QUIET, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
    # A process that is stopped in the middle of a transaction must not keep its rows locked.
    options = f"-c idle_in_transaction_session_timeout={IDLE_SECONDS * 1000}"
    arguments = {"options": options, "connect_timeout": CONNECT_SECONDS}
    return create_engine(url, **QUIET, pool_pre_ping=True, pool_timeout=CONNECT_SECONDS, connect_args=arguments)


def _unusable(url: URL, reason: BaseException, hint: str = "") -> DatabaseUnusable:
    if url.get_backend_name() == "sqlite":
        name, usual = url.database, "is the disk full? if the file is damaged, restore a back-up"
    else:
        name, usual = url.render_as_string(), "is it running, and is PRIMESVT_DATABASE_URL right?"
    return DatabaseUnusable(f"the database {name} cannot be used ({' '.join(str(reason).split())}); {hint or usual}")


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's BEGIN, not the driver's
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_immediately(connection: Any) -> None:
    # A transaction that reads first and writes later would fail at once if another one wrote in between.
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("reads_only") else "BEGIN IMMEDIATE")
