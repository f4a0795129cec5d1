"""What could not be done for want of room is tried again, later each time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock

FIRST_SECONDS, LONGEST_SECONDS = 5.0, 600.0


@dataclass(frozen=True, kw_only=True)
class _Wait:
    team: str
    since: float
    seconds: float

    @property
    def is_over(self) -> bool:
        return time.monotonic() - self.since >= self.seconds


class Postponed:
    """Ids of work that waits until the disk has room again; of one process, forgotten with it."""

    def __init__(self) -> None:
        self._waits: dict[str, _Wait] = {}
        self._lock = Lock()

    def add(self, work_id: str, team: str) -> None:
        """Wait with it: twice as long as the last time."""
        with self._lock:
            last = self._waits.get(work_id)
            seconds = min(2 * last.seconds, LONGEST_SECONDS) if last else FIRST_SECONDS
            self._waits[work_id] = _Wait(team=team, since=time.monotonic(), seconds=seconds)

    def remove(self, work_id: str) -> None:
        """It is done."""
        with self._lock:
            self._waits.pop(work_id, None)

    def teams(self) -> frozenset[str]:
        """Whose work waits now: nothing of theirs is begun meanwhile."""
        with self._lock:
            return frozenset(wait.team for wait in self._waits.values() if not wait.is_over)

    def is_due(self, work_id: str) -> bool:
        """Whether it may be tried now."""
        with self._lock:
            wait = self._waits.get(work_id)
            return wait is None or wait.is_over
