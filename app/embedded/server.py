"""Starts the parts in order, waits until they are ready, and stops them in order."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.db import opened
from app.embedded import broker
from app.embedded.folder_lock import EmbeddedError, locked
from app.embedded.processes import Program, Supervisor
from app.settings import PREFIX, Settings, given_folder, refuse_shared_folder
from app.teams.service import TeamService

READY_SECONDS = 60.0
POLL_SECONDS = 0.2
DRAIN_SECONDS = 5
"""How long open requests, followers of jobs among them, may go on once the API is asked to stop."""

BROKER_VARIABLES = ("PATH", "LANG", "TZ", "LD_LIBRARY_PATH")
"""All that the broker gets of the environment: what it does not need, it cannot lose."""

API_GRACE, WORKER_GRACE, BROKER_GRACE = 10.0, 30.0, 10.0


@dataclass(frozen=True)
class Place:
    """Where the service listens and keeps its data. Port 0 is any free one."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8000


@dataclass(frozen=True, kw_only=True)
class Running:
    """The service, started.

    Attributes:
        address: where clients reach it.
        first_key: the first API key; only at the first start with this data folder.
    """

    address: str
    first_key: str | None
    settings: Settings
    supervisors: Sequence[Supervisor] = field(repr=False)

    def check(self) -> None:
        """Start again what has ended."""
        for supervisor in self.supervisors:
            supervisor.check()


@contextmanager
def running(place: Place, hopeless: Callable[[], bool] = lambda: False) -> Iterator[Running]:
    """The service, ready for requests; stopped when the block ends.

    Args:
        place: where.
        hopeless: asked while the parts start; true gives up.

    Raises:
        EmbeddedError: the address is taken, another service uses the data folder, or a part does not start.
        WrongSettings: the environment or the data folder is wrong.
        DatabaseUnusable: the database in the data folder is damaged.
    """
    with ExitStack() as stack:
        settings = _settings(place, stack)
        note_address = stack.enter_context(locked(settings.data_dir))
        listener = stack.enter_context(contextlib.closing(_listen(place)))
        database = stack.enter_context(opened(settings.database))
        supervisors: list[Supervisor] = []
        for program in _programs(settings, listener):
            supervisors.append(Supervisor(program))
            stack.callback(supervisors[-1].stop)
        stack.callback(_ask_all, supervisors[1:])  # first of all, all at once; the broker goes last
        address = f"http://{_reachable(place.host)}:{listener.getsockname()[1]}"
        _wait_until_ready(address, supervisors, settings, hopeless)
        note_address(address)
        key = TeamService(database).bootstrap()  # only now: it is shown once, so that nothing may fail before
        yield Running(
            address=address, first_key=key.secret if key else None, settings=settings, supervisors=supervisors
        )


def _settings(place: Place, stack: ExitStack) -> Settings:
    """Of the environment, but for the parts that this form of the service brings along."""
    # A socket's path may have about a hundred characters; a data folder's may have more.
    sockets = stack.enter_context(tempfile.TemporaryDirectory(prefix="primesvt-", ignore_cleanup_errors=True))
    settings, data_dir = Settings.from_env(os.environ), given_folder(place.data_dir)
    hosts = ",".join(filter(None, (settings.allowed_hosts, place.host)))
    mine = {"data_dir": data_dir, "broker_url": broker.url(Path(sockets) / "valkey"), "database_url": "",
            "storage_url": "", "allowed_hosts": hosts}  # fmt: skip
    refuse_shared_folder(data_dir)
    try:
        for folder in (data_dir, data_dir / "valkey", data_dir / "logs"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedError("data_dir", f"the data folder {data_dir} cannot be used: {error}", is_input=True) from None
    return settings.model_copy(update=mine)


def _listen(place: Place) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=2048)
    except (OSError, OverflowError, UnicodeError) as error:
        raise EmbeddedError(
            "address_in_use",
            f"cannot listen on {place.host}:{place.port} ({error}); choose another port with --port (0: any free one),"
            " or another address with --host",
            is_input=True,
        ) from None
    # Connections inherit it. asyncio sets it itself, but not on those of a socket that it was handed: the end of an
    # answer would wait 40 ms for its beginning to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _programs(settings: Settings, listener: socket.socket) -> Iterator[Program]:
    logs, data = settings.data_dir / "logs", settings.data_dir / "valkey"
    env = {**os.environ, **settings.environment(), "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}
    unwatched = {
        **env,
        f"{PREFIX}METRICS_ADDRESS": "",
    }  # one process alone can have the address: the API, which has most
    python = [sys.executable, "-P", "-m"]
    try:
        program = broker.server_program()
    except broker.NoBroker as error:
        raise EmbeddedError("no_broker", str(error)) from None
    server = broker.command(program, Path(settings.broker_url.removeprefix("redis+socket://")), data)
    uvicorn = ["uvicorn", "--factory", "app.main:create", "--fd", str(listener.fileno()), "--no-access-log"]
    uvicorn += ["--http", "app.api.connections:PatientProtocol"]  # slow and idle connections are closed
    uvicorn.append("--no-proxy-headers")  # the settings say which proxies are believed
    uvicorn += ["--timeout-graceful-shutdown", str(DRAIN_SECONDS)]
    plain = {name: value for name, value in os.environ.items() if name in BROKER_VARIABLES}
    yield Program(name="valkey", command=server, env=plain, log=logs / "valkey.log", grace_seconds=BROKER_GRACE)
    yield Program(
        name="api", command=[*python, *uvicorn], env=env, log=logs / "api.log", grace_seconds=API_GRACE,
        inherited=(listener.fileno(),),
    )  # fmt: skip
    yield Program(
        name="worker", command=[*python, "worker"], env=unwatched, log=logs / "worker.log", grace_seconds=WORKER_GRACE
    )
    yield Program(
        name="reconciler", command=[*python, "worker.reconciler"], env=unwatched, log=logs / "reconciler.log",
        grace_seconds=API_GRACE,
    )  # fmt: skip


def _ask_all(supervisors: Sequence[Supervisor]) -> None:
    for supervisor in supervisors:
        supervisor.ask_to_stop()


def _reachable(host: str) -> str:
    """An address that a client on this machine can use."""
    known = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}  # noqa: S104  # nosec B104  # not bound here: compared
    return known.get(host, f"[{host}]" if ":" in host else host)


def _wait_until_ready(
    address: str, supervisors: Sequence[Supervisor], settings: Settings, hopeless: Callable[[], bool]
) -> None:
    """Until database, storage and broker answer through the API.

    Raises:
        EmbeddedError: a part does not start.
    """
    deadline = time.monotonic() + READY_SECONDS
    with httpx.Client(trust_env=False, timeout=5.0) as client:
        while not _is_ready(client, address):
            dead = [supervisor.program for supervisor in supervisors if supervisor.process.poll() is not None]
            if dead or hopeless() or time.monotonic() > deadline:
                raise EmbeddedError("not_ready", _why_not(dead, settings))
            time.sleep(POLL_SECONDS)


def _is_ready(client: httpx.Client, address: str) -> bool:
    try:
        return client.get(f"{address}/readyz").is_success
    except httpx.HTTPError:
        return False


def _why_not(dead: Sequence[Program], settings: Settings) -> str:
    if not dead:
        return f"the service does not get ready; see the logs in {settings.data_dir / 'logs'}"
    lines = dead[0].log.read_text("utf-8", "replace").splitlines()
    last = next((line for line in reversed(lines) if line.strip()), "its log is empty")
    return f"the {dead[0].name} does not start: {last} (all of it: {dead[0].log})"
