"""Workers as the rest of the program sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from primesvt_client.states import WorkerState as WorkerState


@dataclass(frozen=True, kw_only=True)
class Worker:
    """One worker process.

    Attributes:
        id: what claims call it.
        devices: what it computes on: ``cpu``, ``cuda``.
        job_id: the job that it runs or helps with.
        seen_at: when it last reported, by its own clock.
    """

    id: str
    host: str
    devices: tuple[str, ...]
    version: str
    state: WorkerState
    job_id: str | None
    started_at: datetime
    seen_at: datetime
