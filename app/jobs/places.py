"""Places in the queue for those who ask for them over and over: as they were up to a second ago."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection

from sqlalchemy.orm import Session

from app.jobs.order import TeamQueue, position, queues, ranks

KEPT_SECONDS = 1.0


class Places:
    """Remembers, for a second, where jobs are that wait: finding out takes a look at everybody's jobs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looked_at = 0.0
        self._queues: dict[str, TeamQueue] = {}
        self._known: dict[str, int] = {}

    def of(self, session: Session, team: str, waiting: Collection[str]) -> dict[str, int]:
        """Places, from 1, of jobs of the team that wait."""
        with self._lock:
            if time.monotonic() - self._looked_at > KEPT_SECONDS or team not in self._queues:
                self._queues, self._known, self._looked_at = queues(session), {}, time.monotonic()
            missing = [job_id for job_id in waiting if job_id not in self._known]
            if missing and team in self._queues:
                found = ranks(session, team, missing)
                self._known |= {job_id: position(team, rank, self._queues) for job_id, rank in found.items()}
            return {job_id: self._known[job_id] for job_id in waiting if job_id in self._known}
