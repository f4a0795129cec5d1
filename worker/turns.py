"""Validations of one worker take turns between teams: two compute at a time, each for ten seconds of processor time.

What has no turn is suspended (SIGSTOP) and keeps its memory, so only a few are begun. A team has both places while no
other waits, and gives one up at once when another comes: nobody waits behind what a team has sent before.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from worker.process import Child, CpuLimitExceeded

SLICE_SECONDS = 10.0
"""Processor time after which a validation goes to the end of the queue, if others wait."""

AT_ONCE = 2
"""Validations that compute at the same time, in one worker."""

BEGUN = 6
"""Validations that are begun, in one worker: each holds a process with its memory."""

MOST_PICTURES = 2_000_000
"""A data set of more pictures has the processor time of so many."""

CAN_MEASURE = sys.platform == "linux"
"""Whether the processor time of another process is known: elsewhere slices are of the wall clock."""


@dataclass(frozen=True)
class CpuAllowance:
    """Processor time that a validation may spend, seconds; ``base`` 0 is no limit."""

    base: float
    per_picture: float = 0.0

    def seconds(self, pictures: int) -> float:
        """For so many pictures; infinite where there is no limit."""
        return self.base + self.per_picture * min(pictures, MOST_PICTURES) if self.base else float("inf")


class Pace(Protocol):
    """Decides whether a child may go on."""

    def poll(self, child: Child) -> bool:
        """Called often: whether the child is suspended now.

        Raises:
            CpuLimitExceeded: it has spent what it may.
        """

    def found(self, pictures: int) -> None:
        """The child has found so many pictures."""

    def end(self, child: Child) -> None:
        """The child is about to be stopped, which it has to hear."""


class Unpaced:
    """For children that need not wait for others."""

    def poll(self, _child: Child) -> bool:
        return False

    def found(self, pictures: int) -> None:
        """More time is not needed."""

    def end(self, child: Child) -> None:
        """It was not suspended."""


UNPACED = Unpaced()


@dataclass(eq=False)
class Entry:
    """One validation that was begun."""

    team: str
    spent_seconds: float = 0.0
    slice_began_at: float = 0.0
    """What it had spent when its slice began."""

    @property
    def slice_is_over(self) -> bool:
        """Whether it has had its turn."""
        return self.spent_seconds - self.slice_began_at >= SLICE_SECONDS


def computing(queue: Sequence[Entry], places: int = AT_ONCE) -> list[Entry]:
    """Those of the queue that may compute: the first of every team, then others, as far as there are places."""
    first: dict[str, Entry] = {}
    for entry in queue:
        first.setdefault(entry.team, entry)
    leading = [*first.values()]
    return [*leading, *(entry for entry in queue if entry not in leading)][:places]


class Turns:
    """The validations that a worker has begun, in the order in which they compute."""

    def __init__(self) -> None:
        self._queue: list[Entry] = []
        self._lock = threading.Lock()

    @contextmanager
    def joined(self, team: str, allowance: CpuAllowance) -> Iterator[Turn]:
        """A place at the end of the queue, while the block runs."""
        entry = Entry(team)
        with self._lock:
            self._queue.append(entry)
        try:
            yield Turn(self, entry, allowance)
        finally:
            with self._lock:
                self._queue.remove(entry)

    def may_compute(self, entry: Entry, spent_seconds: float) -> bool:
        """Whether it is this one's turn, now that it has spent so much."""
        with self._lock:
            entry.spent_seconds = spent_seconds
            if entry.slice_is_over:
                entry.slice_began_at = spent_seconds
                self._queue.remove(entry)
                self._queue.append(entry)
            return entry in computing(self._queue)


@dataclass(eq=False)
class Turn:
    """Suspends one child and lets it go on, as its place in the queue says."""

    turns: Turns
    entry: Entry
    allowance: CpuAllowance
    pictures: int = 0
    is_suspended: bool = False
    _spent: float = 0.0
    _looked_at: float = field(default_factory=time.monotonic)

    def poll(self, child: Child) -> bool:
        self._measure(child)
        if CAN_MEASURE and self._spent > self.allowance.seconds(self.pictures):
            raise CpuLimitExceeded("the computing process has used up the processor time that this server allows")
        must_wait = not self.turns.may_compute(self.entry, self._spent)
        if must_wait is not self.is_suspended:
            _send(child, signal.SIGSTOP if must_wait else signal.SIGCONT)
            self.is_suspended = must_wait
        return must_wait

    def found(self, pictures: int) -> None:
        self.pictures = pictures

    def end(self, child: Child) -> None:
        if self.is_suspended:
            _send(child, signal.SIGCONT)

    def _measure(self, child: Child) -> None:
        moment = time.monotonic()
        if not CAN_MEASURE:
            self._spent += 0.0 if self.is_suspended else moment - self._looked_at
        else:
            with contextlib.suppress(OSError):  # it has ended
                self._spent = cpu_seconds(child.process.pid)
        self._looked_at = moment


def cpu_seconds(pid: int) -> float:
    """Processor time of all threads of a process, on Linux.

    Raises:
        OSError: there is no such process.
    """
    return time.clock_gettime((~pid << 3) | 2)  # what clock_getcpuclockid(3) makes of a process


def _send(child: Child, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.process.pid, number)
