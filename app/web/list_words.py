"""What lists say of jobs in a few words: their budget, and how far they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app.jobs.records import ListedJob
from app.web.labels import STEPS
from primesvt_client.shares import rate_text
from primesvt_client.sizes import operations_text, size_text


def _points(value: float) -> str:
    return f"{round(100 * value, 4):g} points"


LIMITS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "max_accuracy_drop": ("drop ≤ {}", _points),
    "min_accuracy": ("accuracy ≥ {}", rate_text),
    "max_disagreement": ("disagreement ≤ {}", rate_text),
    "min_memory_saving": ("saving ≥ {}", rate_text),
    "max_parameter_bytes": ("memory ≤ {}", size_text),
    "max_macs": ("multiply-accumulates ≤ {}", operations_text),
    "max_inference_bytes": ("inference memory ≤ {}", size_text),
    "max_synaptic_operations": ("synaptic operations ≤ {}", operations_text),
    "max_stored_bytes": ("file ≤ {}", size_text),
    "max_time_steps": ("time steps ≤ {}", str),
}


def budget_text(budget: Mapping[str, Any]) -> str:
    """A budget's limits: ``drop ≤ 3 points, saving ≥ 25 %``; empty without any."""
    given = ((name, budget.get(name)) for name in LIMITS)
    return ", ".join(LIMITS[name][0].format(LIMITS[name][1](value)) for name, value in given if value is not None)


def progress_text(job: ListedJob) -> str:
    """The step that runs, and how far it is: ``Fine-tune, 40 %``; empty before the first."""
    progress = job.progress
    if progress is None or progress.step not in STEPS:
        return ""
    share = f", {min(100, 100 * progress.done // progress.total):.0f} %" if progress.total else ""
    return f"{STEPS[progress.step]}{share}"
