"""What the job machine should do, in plain Python and without a database: the model that the real one is held to."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.jobs.states import HELD, TERMINAL, JobState

MAX_ATTEMPTS = 3
LEASE_SECONDS = 30.0
CELLS = tuple(f"search/{number}" for number in range(6))


@dataclass
class Cell:
    """One cell: open, held by ``owner``, or done."""

    value: str | None = None
    owner: str | None = None
    claims: int = 0

    @property
    def is_open(self) -> bool:
        return self.value is None and self.owner is None


@dataclass
class ModelJob:
    """One job."""

    team: str
    priority: int
    state: JobState = JobState.QUEUED
    owner: str | None = None
    epoch: int = 0
    attempts: int = 0
    served_seq: int = 0
    heartbeats: int = 0
    is_due: bool = True
    cells: dict[str, Cell] = field(default_factory=dict)
    history: list[JobState] = field(default_factory=lambda: [JobState.QUEUED])

    def go(self, state: JobState) -> None:
        """Into another state."""
        self.history.append(state)
        self.state = state
        if state is JobState.QUEUED:
            self.free(self.owner)
        if state in TERMINAL:
            self.cells.clear()
        if state in TERMINAL or state is JobState.QUEUED:
            self.owner = None

    def free(self, owner: str | None) -> None:
        """What an owner holds and has not computed is open again."""
        for cell in self.cells.values():
            if cell.owner == owner and cell.value is None:
                cell.owner = None

    def is_held_by(self, owner: str, epoch: int) -> bool:
        return self.state in HELD and (self.owner, self.epoch) == (owner, epoch)

    def requeue(self) -> None:
        """Its worker died."""
        if self.state is JobState.CANCELLING:
            self.go(JobState.CANCELLED)
        elif self.attempts >= MAX_ATTEMPTS:
            self.go(JobState.FAILED)
        else:
            self.is_due = self.attempts == 1  # the first time at once, later times later
            self.go(JobState.QUEUED)

    def take(self, owner: str, limit: int, *, helps: bool) -> list[str]:
        """Hand out open cells: to helpers from the end, and not what broke helpers often."""
        left = [key for key, cell in self.cells.items() if cell.is_open]
        most = max(1, min(limit, -(-len(left) // 4)))
        fit = [key for key in left if not helps or self.cells[key].claims < MAX_ATTEMPTS]
        given = (fit[::-1] if helps else fit)[:most]
        for key in given:
            self.cells[key].owner, self.cells[key].claims = owner, self.cells[key].claims + 1
        return given


class Model:
    """All jobs, and what two watchers have seen of leases."""

    def __init__(self) -> None:
        self.jobs: dict[str, ModelJob] = {}

    def next(self) -> str | None:
        """The job whose turn it is."""
        waiting = {key: job for key, job in self.jobs.items() if job.state is JobState.QUEUED and job.is_due}
        return min(waiting, key=lambda key: (*self._team(waiting[key].team), -waiting[key].priority, key), default=None)

    def _team(self, team: str) -> tuple[int, int, str]:
        jobs = [job for job in self.jobs.values() if job.team == team]
        return sum(job.state in HELD for job in jobs), max(job.served_seq for job in jobs), team

    def claim(self, key: str, owner: str) -> None:
        job = self.jobs[key]
        job.owner, job.epoch, job.attempts = owner, job.epoch + 1, job.attempts + 1
        job.served_seq, job.heartbeats = 1 + max(other.served_seq for other in self.jobs.values()), job.heartbeats + 1
        job.go(JobState.RUNNING)

    def wanting(self) -> str | None:
        """The running job that a helper is sent to."""
        fit = [
            key
            for key, job in self.jobs.items()
            if job.state is JobState.RUNNING
            and any(cell.is_open and cell.claims < MAX_ATTEMPTS for cell in job.cells.values())
        ]
        return min(fit, key=lambda key: (-self.jobs[key].priority, key), default=None)


class Watcher:
    """A reconciler's memory: since when each lease has not been renewed."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[object, float]] = {}

    def silent(self, renewals: dict[str, object], moment: float) -> set[str]:
        """Whose lease has run out while this one watched."""
        self.seen = {
            name: self.seen[name] if name in self.seen and self.seen[name][0] == renewal else (renewal, moment)
            for name, renewal in renewals.items()
        }
        return {name for name, (_, since) in self.seen.items() if moment - since >= LEASE_SECONDS}
