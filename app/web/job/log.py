"""The log of a job: what its steps noted, one line each, newest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from app.jobs.records import JobEvent
from app.web import labels, timeline
from primesvt_client.facts import NO_FACTS, StepFacts
from primesvt_client.progress import Progress

SHORT = 10.0
"""Seconds, below which a tenth of one tells steps apart."""

MOST_LINES = 200
"""On a page; the events of the API have all."""


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line.

    Attributes:
        is_step: whether a step began or ended, or the state changed, rather than something within a step.
    """

    at: datetime
    what: str
    note: str
    is_step: bool


def lines(events: Iterable[JobEvent], most: int = MOST_LINES) -> tuple[LogLine, ...]:
    """The last events as lines, newest first.

    Args:
        events: oldest first.
        most: number of lines.
    """
    found: list[LogLine] = []
    step: object = None
    passing = False
    for event in events:
        if event.kind == "state":
            step, passing = None, False
            found.append(_of_state(event))
            continue
        progress = event.progress
        if progress is None:
            continue
        begins, step = progress.step != step, progress.step
        if passing and not begins:  # how far a unit of work was is of no interest once something is known of it
            found.pop()
        line = _of_progress(event.at, progress, begins=begins)
        passing = line is not None and not line.is_step and progress.facts == NO_FACTS
        if line is not None:
            found.append(line)
    return tuple(reversed(found[-most:]))


def _of_state(event: JobEvent) -> LogLine:
    (change,) = timeline.history([event])
    return LogLine(at=event.at, what=labels.state(change.state), note=change.note, is_step=True)


def _of_progress(at: datetime, progress: Progress, *, begins: bool) -> LogLine | None:
    """A report with something to say; None of one that only counts."""
    title = timeline.step_title(progress)
    if isinstance(progress.facts, StepFacts):
        return LogLine(at=at, what=title, note=f"done in {_seconds(progress.facts.seconds)}", is_step=True)
    note = timeline.note_of(progress)
    if note:
        counted = f" ({labels.count(progress.done)} of {labels.count(progress.total)})" if progress.total else ""
        return LogLine(at=at, what=title, note=note + counted, is_step=False)
    return LogLine(at=at, what=title, note="", is_step=True) if begins else None


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < SHORT else labels.duration(seconds)
