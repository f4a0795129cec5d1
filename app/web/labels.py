"""How pages say things: percent and points, binary units, times, and the states of jobs and uploads in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from app.catalog.records import Upload
from app.catalog.states import UploadState
from app.jobs.states import JobState
from app.webhooks.states import DeliveryState
from app.workers.records import WorkerState
from primesvt_client.durations import in_words
from primesvt_client.facts import CheckpointFacts
from primesvt_client.states import Step
from primesvt_client.verdicts import VERDICTS as VERDICTS

Words = Callable[[float], str]
"""How a quantity is said."""

NOTHING = "–"  # noqa: RUF001  # an en dash is meant

STATES: Mapping[str, str] = {
    JobState.QUEUED: "Queued",
    JobState.RUNNING: "Running",
    JobState.FINALIZING: "Storing results",
    JobState.SUCCEEDED: "Succeeded",
    JobState.CANCELLING: "Stopping",
    JobState.CANCELLED: "Cancelled",
    JobState.FAILED: "Failed",
    UploadState.CREATED: "Announced",
    UploadState.UPLOADING: "Uploading",
    UploadState.STORED: "Waiting for its check",
    UploadState.VALIDATING: "Being checked",
    UploadState.READY: "Ready",
    UploadState.REJECTED: "Refused",
    UploadState.EXPIRED: "Expired",
    DeliveryState.PENDING: "On its way",
    DeliveryState.DELIVERED: "Delivered",
    WorkerState.IDLE: "Idle",
    WorkerState.BUSY: "Busy",
    WorkerState.HELPING: "Helping",
    WorkerState.STOPPING: "Stopping",
    WorkerState.LOST: "Lost",
}

TONES: Mapping[str, str] = {
    JobState.RUNNING: "busy",
    JobState.FINALIZING: "busy",
    JobState.CANCELLING: "busy",
    JobState.SUCCEEDED: "good",
    JobState.FAILED: "bad",
    UploadState.UPLOADING: "busy",
    UploadState.VALIDATING: "busy",
    UploadState.READY: "good",
    UploadState.REJECTED: "bad",
    DeliveryState.PENDING: "busy",
    DeliveryState.DELIVERED: "good",
    WorkerState.BUSY: "busy",
    WorkerState.HELPING: "busy",
    WorkerState.LOST: "bad",
}
"""Colour of a state; those absent are neutral."""

STEPS: Mapping[str, str] = {
    Step.INTAKE: "Read checkpoint and data",
    Step.BASELINE: "Measure the original",
    Step.SORT: "Sort layers by size",
    Step.PROFILE: "Profile every channel group",
    Step.SEARCH: "Search within the budget",
    Step.FINE_TUNE: "Fine-tune",
    Step.CONFIRM: "Confirm on unseen images",
    Step.EXPORT: "Export the pruned model",
    Step.REPORT: "Write the report",
}


def family(model: Upload | None) -> str:
    """The family of an uploaded checkpoint; empty if it is not known."""
    facts = model.facts if model is not None else None
    return facts.title or facts.family if isinstance(facts, CheckpointFacts) else ""


def percent(fraction: float | None, digits: int = 2) -> str:
    """0.2668 as ``26.68 %``."""
    return NOTHING if fraction is None else f"{_number(100 * fraction, digits)} %"


def points(fraction: float | None, digits: int = 2) -> str:
    """0.03 as ``3.00 points``."""
    return NOTHING if fraction is None else f"{_number(100 * fraction, digits)} points"


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")  # noqa: RUF001  # a real minus


def size(count: float | None) -> str:
    """Bytes in the largest binary unit that leaves at least one."""
    if count is None:
        return NOTHING
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:,.0f} bytes" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} GiB"


def count(number: float | None) -> str:
    """12345 as ``12,345``."""
    return NOTHING if number is None else f"{number:,.0f}"


def duration(seconds: float | None) -> str:
    """95 as ``1 min 35 s``."""
    return NOTHING if seconds is None else in_words(seconds)


def run_seconds(started: datetime | None, finished: datetime | None, now: datetime) -> float | None:
    """How long a job has run; queue time never counts."""
    return None if started is None else ((finished or now) - started).total_seconds()


def utc(moment: datetime) -> str:
    """A moment as people read it where no script turns it into local time."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def utc_exact(moment: datetime) -> str:
    """A moment to the second, for titles."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def iso(moment: datetime) -> str:
    """A moment for machines."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def state(value: str) -> str:
    """A state in words."""
    return STATES.get(value, value)


def tone(value: str) -> str:
    """The colour of a state."""
    return TONES.get(value, "plain")
