"""Whether what the server needs is there: asked for real, in bounded time, and not more than once a second."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from app.db import Database
from app.queue import CeleryNotifier
from app.services import Services
from app.storage import BlobStore

SECONDS = 3.0
"""A part that takes longer to answer is not there; longer than a broker's own time limit."""

KEPT_SECONDS = 1.0
PROBE = b"is it well?"

Check = Callable[[], str]
"""Returns what is wrong, or nothing; may raise."""


@dataclass(frozen=True)
class Found:
    """What came of asking: of every part what is wrong with it, or nothing."""

    problems: Mapping[str, str]
    at: float = field(default_factory=time.monotonic)

    @property
    def is_well(self) -> bool:
        """Whether all parts are."""
        return not any(self.problems.values())


class Readiness:
    """Asks all parts at once. One that hangs is not asked again until it has answered."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self.checks = checks
        self._asking: dict[str, Future[str]] = {}
        self._lock = threading.Lock()
        self._last: Found | None = None

    def look(self) -> Found:
        """How the parts are, or were within the last second."""
        with self._lock:
            if self._last is None or time.monotonic() - self._last.at > KEPT_SECONDS:
                self._last = Found(self._ask())
            return self._last

    def _ask(self) -> dict[str, str]:
        for name, check in self.checks.items():
            if name not in self._asking:
                # Each in a thread of its own that is never waited for: a part that hangs may do so for long.
                self._asking[name] = _in_a_thread(check)
        wait(self._asking.values(), timeout=SECONDS)
        return {name: self._answer(name) for name in self.checks}

    def _answer(self, name: str) -> str:
        if not self._asking[name].done():
            return f"no answer within {SECONDS:g} s"
        try:
            return self._asking.pop(name).result()
        except Exception as error:  # noqa: BLE001  # whatever it is, the part is not well; nobody is told addresses
            return f"{type(error).__name__}"


def _in_a_thread(check: Check) -> Future[str]:
    pool = ThreadPoolExecutor(1, thread_name_prefix="readiness")
    asked = pool.submit(check)
    pool.shutdown(wait=False)
    return asked


def readiness(found: Services) -> Readiness:
    """What an application of these services needs."""
    notifier = found.notifier

    def broker() -> str:
        return "" if not isinstance(notifier, CeleryNotifier) or notifier.is_ready() else "it does not answer"

    return Readiness(
        {"database": lambda: _schema(found.database), "storage": lambda: _storage(found.store), "broker": broker}
    )


def _schema(database: Database) -> str:
    """Older than this version is wrong; newer is what an upgrade looks like to those who are still to be stopped."""
    current, known = database.revision(), Database.known_revisions()
    is_old = current is None or (current in known and current != known[0])
    return f"its schema is {current}, and this version needs {known[0]}: migrate it" if is_old else ""


def _storage(store: BlobStore) -> str:
    if not store.is_ready():
        return "it does not answer, or is full"
    key = f"readiness/{secrets.token_hex(8)}"
    try:
        store.put(key, [PROBE])
        return "" if b"".join(store.open(key)) == PROBE else "what was written is not what is read"
    finally:
        store.delete(key)
