"""A job's progress: its steps, the current one, and its changes of state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from app.jobs.records import Job, JobEvent
from app.jobs.states import JobState
from app.web import labels
from primesvt_client.facts import CandidateFacts, CellFacts, DisagreementFacts, TrialFacts
from primesvt_client.progress import Progress
from primesvt_client.shares import rate_text
from primesvt_core.types import Step

Status = Literal["done", "current", "stopped", "next"]
STORE, STORE_TITLE = "store", "Store the results"
STARTING = "Starting"
BEFORE_STORING = tuple(step for step in Step if step is not Step.FINE_TUNE)
RUNNING = frozenset({JobState.RUNNING, JobState.CANCELLING})
MOST_EVENTS = 10_000
EVENTS_PER_QUERY = 500


@dataclass(frozen=True, kw_only=True)
class StepLine:
    """One step of a job; ``step`` is the name of a `Step`, or `STORE`."""

    step: str
    title: str
    status: Status


@dataclass(frozen=True, kw_only=True)
class StateChange:
    """One change of a job's state."""

    at: datetime
    state: str
    note: str


def step_lines(job: Job) -> tuple[StepLine, ...]:
    """All steps of a job, with their status."""
    steps = _steps(job)
    reached = _reached(job, steps)
    titles = {**{step.value: labels.STEPS[step] for step in steps}, STORE: STORE_TITLE}
    return tuple(
        StepLine(step=step, title=title, status=_status(job, at, reached))
        for at, (step, title) in enumerate(titles.items())
    )


def _steps(job: Job) -> tuple[Step, ...]:
    """The steps of every run; fine-tuning only where it is a step of its own."""
    return tuple(Step) if job.progress and job.progress.step == Step.FINE_TUNE else BEFORE_STORING


def _reached(job: Job, steps: tuple[Step, ...]) -> int:
    """Number of steps that are done."""
    if job.state is JobState.SUCCEEDED:
        return len(steps) + 1
    if job.state is JobState.FINALIZING:
        return len(steps)
    names = [step.value for step in steps]
    if job.progress is None or job.progress.step not in names:
        return 0
    return names.index(job.progress.step) + job.progress.finished


def _status(job: Job, at: int, reached: int) -> Status:
    if at < reached:
        return "done"
    if at > reached or job.state is JobState.QUEUED:
        return "next"
    return "stopped" if job.state.is_terminal else "current"


@dataclass(frozen=True, kw_only=True)
class CurrentStep:
    """The running step and its progress; ``total`` is None if unknown."""

    step: str
    title: str
    done: int
    total: int | None
    note: str


def current_step(job: Job) -> CurrentStep | None:
    """The running step; None if none runs."""
    if job.state is JobState.FINALIZING:
        return CurrentStep(step=STORE, title=STORE_TITLE, done=0, total=None, note="")
    if job.state not in RUNNING:
        return None
    progress = job.progress
    if progress is None:
        return CurrentStep(step="", title=STARTING, done=0, total=None, note="")
    title, note = step_title(progress), note_of(progress)
    return CurrentStep(step=progress.step, title=title, done=progress.done, total=progress.total, note=note)


def step_title(progress: Progress) -> str:
    """What a report's step is called; one of another version has no name here."""
    return labels.STEPS.get(progress.step, STARTING)


def note_of(progress: Progress) -> str:
    """What a report notes or has measured; empty if it only counts."""
    parts, facts = [progress.note], progress.facts
    if isinstance(facts, CellFacts | CandidateFacts):
        where = [f"{facts.group} at {rate_text(facts.rate)}"] if facts.group else []
        parts += [*where, f"accuracy {labels.percent(facts.accuracy)}"]
    if isinstance(facts, TrialFacts):
        parts.append(f"drop {labels.points(facts.accuracy_drop)}")
    if isinstance(facts, DisagreementFacts):
        where = [f"{facts.group} at {rate_text(facts.rate)}"] if facts.group else []
        parts += [*where, f"disagreement {labels.percent(facts.disagreement)}"]
        parts += [] if facts.memory_saving is None else [f"saves {labels.percent(facts.memory_saving)}"]
    if isinstance(facts, CandidateFacts | TrialFacts):
        parts.append(f"saves {labels.percent(facts.memory_saving)}")
    return ", ".join(part for part in parts if part)


def history(events: Iterable[JobEvent]) -> tuple[StateChange, ...]:
    """The changes of state, oldest first, with their reasons."""
    return tuple(
        StateChange(at=event.at, state=str(event.data.get("state")), note=_reason(event.data))
        for event in events
        if event.kind == "state"
    )


def _reason(data: dict[str, Any]) -> str:
    if data.get("reason"):
        return f"retried: {data['reason']}"
    attempt = data.get("attempt", 1)
    return f"attempt {attempt}" if isinstance(attempt, int) and attempt > 1 else ""
