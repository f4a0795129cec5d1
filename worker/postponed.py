"""What could not be done for want of room is tried again, later each time."""

from __future__ import annotations

import time
from threading import Lock

FIRST_SECONDS, LONGEST_SECONDS = 5.0, 600.0


class Postponed:
    """Ids of work that waits until the disk has room again; of one process, forgotten with it."""

    def __init__(self) -> None:
        self._waits: dict[str, tuple[float, float]] = {}  # since when, for how long
        self._teams: dict[str, str] = {}
        self._lock = Lock()

    def add(self, work_id: str, team: str = "") -> None:
        """Wait with it: twice as long as the last time."""
        with self._lock:
            self._teams[work_id] = team
            _, last = self._waits.get(work_id, (0.0, FIRST_SECONDS / 2))
            self._waits[work_id] = time.monotonic(), min(2 * last, LONGEST_SECONDS)

    def remove(self, work_id: str) -> None:
        """It is done."""
        with self._lock:
            self._waits.pop(work_id, None)
            self._teams.pop(work_id, None)

    def teams(self) -> frozenset[str]:
        """Whose work waits now: nothing of theirs is begun meanwhile."""
        with self._lock:
            waiting = [*self._teams.items()]
        return frozenset(team for work_id, team in waiting if not self.is_due(work_id))

    def is_due(self, work_id: str) -> bool:
        """Whether it may be tried now."""
        with self._lock:
            since, seconds = self._waits.get(work_id, (0.0, 0.0))
        return not seconds or time.monotonic() - since >= seconds
