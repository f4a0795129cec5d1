"""Servers of one's own, which tests may kill: PostgreSQL and Redis from the machine's programs, on free ports."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis
from psycopg import sql

from app.embedded import broker
from tests.support.databases import REQUIRED

PATIENCE_SECONDS = 30.0
POSTGRES_PROGRAMS = "usr/lib/postgresql/*/bin/postgres"


def until(is_so: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition; fail with ``what`` did not happen."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:.0f} s: {what}")
        time.sleep(0.02)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def missing(what: str) -> None:
    """Skip, or fail where the service was promised."""
    (pytest.fail if REQUIRED else pytest.skip)(what)


class Server:
    """A process that can be killed, stopped, frozen and started again."""

    def __init__(self, command: list[str], log: Path, user: str | None = None) -> None:
        self.command, self.log, self.user = command, log, user
        self.env: dict[str, str] | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True,
                env=self.env, user=self.user, group=self.user, extra_groups=[] if self.user else None,
            )  # fmt: skip

    def send(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGINT)

    def _end(self, number: int) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            self.process.wait(PATIENCE_SECONDS)
            self.process = None


class OwnPostgres(Server):
    """A PostgreSQL cluster in a folder; ``SIGINT`` is its fast shutdown, ``SIGKILL`` of the group its crash."""

    def __init__(self, folder: Path, port: int, programs: Path, user: str | None) -> None:
        self.port = port
        settings = {
            "port": str(port), "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off",
            "max_connections": "200", "logging_collector": "off",
        }  # fmt: skip
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(programs / "postgres"), "-D", str(folder), *options]
        super().__init__(command, folder.parent / "postgres.log", user)

    def start(self) -> None:
        super().start()
        until(self.is_up, "PostgreSQL does not start")

    def is_up(self) -> bool:
        try:
            with self.connect() as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(
            f"postgresql://postgres@127.0.0.1:{self.port}/postgres", connect_timeout=2, autocommit=True
        )

    @contextmanager
    def database(self) -> Iterator[str]:
        """URL of an empty database; gone afterwards."""
        name = f"faults_{secrets.token_hex(6)}"
        with self.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"
        until(self.is_up, "PostgreSQL is not there any more")
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


class OwnRedis(Server):
    """A Redis or Valkey server; append-only, as the compose file's."""

    def __init__(self, folder: Path, port: int, program: str) -> None:
        self.port = port
        options = {"port": str(port), "dir": str(folder), "appendonly": "yes", "save": "", "bind": "127.0.0.1"}
        command = [program, *(part for name, value in options.items() for part in (f"--{name}", value))]
        super().__init__(command, folder / "redis.log")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        super().start()
        until(self.is_up, "Redis does not start")

    def is_up(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def empty(self) -> None:
        """Forget everything."""
        with redis.Redis(port=self.port) as client:
            client.flushall()


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """A fresh cluster, started."""
    programs, user = _postgres_programs(), _unprivileged()
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:  # pytest's folders are closed to other users
        Path(folder).chmod(0o755)
        data = Path(folder) / "data"
        data.mkdir()
        if user is not None:  # PostgreSQL refuses to run as root
            shutil.chown(data, user, user)
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"], check=True, user=user,
            group=user, extra_groups=[] if user else None, stdout=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        server = OwnPostgres(data, free_port(), programs, user)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _postgres_programs() -> Path:
    found = sorted(Path("/").glob(POSTGRES_PROGRAMS)) or [Path(found) for found in [shutil.which("postgres")] if found]
    if not found:
        missing("no PostgreSQL programs on this machine")
    return found[-1].parent


@contextmanager
def own_redis(folder: Path) -> Iterator[OwnRedis]:
    """A fresh server, started."""
    folder.mkdir(parents=True)
    server = OwnRedis(folder, free_port(), broker.server_program())
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _unprivileged() -> str | None:
    """Whom servers run as that refuse to run as root; None where we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return None
