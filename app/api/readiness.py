"""Readiness checks: real requests to what the server needs, in bounded time, once a second at the most."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from app.db import Database
from app.queue import CeleryNotifier
from app.services import Services
from app.storage import NOT_SHARED

SECONDS = 3.0
"""A component that takes longer to answer is not ready; longer than a broker's own time limit."""

CACHE_SECONDS = 1.0
NO_ANSWER = "it does not answer"
PROBE = b"readiness probe"

Check = Callable[[], str]
"""Returns what is wrong, or nothing; may raise."""


@dataclass(frozen=True)
class ReadinessReport:
    """The outcome of all checks.

    Attributes:
        problems: of every component its problem, or an empty text.
        missing: promises of the sandbox that do not hold on a worker's machine.
    """

    problems: Mapping[str, str]
    missing: Sequence[str] = ()
    at: float = field(default_factory=time.monotonic)

    @property
    def is_ready(self) -> bool:
        """Whether no component has a problem."""
        return not any(self.problems.values())


class Readiness:
    """Runs all checks at once. One that hangs is not run again until it has ended."""

    def __init__(self, checks: Mapping[str, Check], missing: Callable[[], Sequence[str]] = tuple) -> None:
        self.checks, self.missing = checks, missing
        self._running: dict[str, Future[str]] = {}
        self._lock = threading.Lock()
        self._last: ReadinessReport | None = None

    def check(self) -> ReadinessReport:
        """The outcome of all checks, of this moment or of the last second."""
        with self._lock:
            if self._last is None or time.monotonic() - self._last.at > CACHE_SECONDS:
                problems = self._run()
                # Asked of the database, where the workers report it: only once that has answered.
                self._last = ReadinessReport(problems, () if any(problems.values()) else self.missing())
            return self._last

    def _run(self) -> dict[str, str]:
        for name, check in self.checks.items():
            if name not in self._running:
                # Each in a thread of its own that is never waited for: a component that hangs may do so for long.
                self._running[name] = _in_a_thread(check)
        wait(self._running.values(), timeout=SECONDS)
        return {name: self._result(name) for name in self.checks}

    def _result(self, name: str) -> str:
        if not self._running[name].done():
            return f"no answer within {SECONDS:g} s"
        try:
            return self._running.pop(name).result()
        except Exception as error:  # noqa: BLE001  # whatever it is, the component is not ready; addresses are not shown
            return f"{type(error).__name__}"


def _in_a_thread(check: Check) -> Future[str]:
    pool = ThreadPoolExecutor(1, thread_name_prefix="readiness")
    running = pool.submit(check)
    pool.shutdown(wait=False)
    return running


def readiness(services: Services) -> Readiness:
    """The checks of an application of these services."""
    notifier = services.notifier

    def broker() -> str:
        return "" if not isinstance(notifier, CeleryNotifier) or notifier.is_ready() else NO_ANSWER

    def missing() -> Sequence[str]:
        with suppress(DBAPIError):  # it went away since it was checked
            return services.workers.missing_promises()
        return ()

    return Readiness(
        {"database": lambda: _schema(services.database), "storage": lambda: _storage(services), "broker": broker},
        missing,
    )


def _schema(database: Database) -> str:
    """An older schema than this version's is a problem; a newer one is an upgrade under way."""
    current, known = database.revision(), Database.known_revisions()
    is_old = current is None or (current in known and current != known[0])
    return f"its schema is {current}, this version needs {known[0]}; run the migrations" if is_old else ""


def _storage(services: Services) -> str:
    store = services.store
    if not store.is_ready():
        return "it does not answer or is full"
    if not services.marker.is_here():
        return NOT_SHARED
    key = f"readiness/{secrets.token_hex(8)}"
    try:
        store.put(key, [PROBE])
        return "" if b"".join(store.open(key)) == PROBE else "it returned other bytes than were written"
    finally:
        store.delete(key)
