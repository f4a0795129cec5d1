"""Steps of a job and their status."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.jobs.records import Job
from app.jobs.states import JobState
from app.web import timeline
from primesvt_client.facts import read
from primesvt_client.progress import Progress

NOW = datetime(2026, 11, 24, 9, 24, 47, tzinfo=UTC)


def job(state: JobState, **progress: Any) -> Job:
    return Job(
        id="job_1", name="", state=state, checkpoint_id="", dataset_id="", train_dataset_id=None, retry_of=None,
        spec={}, progress=read(Progress, progress), verdict=None, summary=None, problem=None, attempts=1,
        created_at=NOW, started_at=None, finished_at=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "progress", "done", "current"),
    [
        (JobState.QUEUED, {}, 0, None),
        (JobState.RUNNING, {}, 0, "intake"),
        (JobState.RUNNING, {"step": "profile", "done": 3, "total": 9}, 3, "profile"),
        (JobState.RUNNING, {"step": "profile", "done": 9, "total": 9}, 4, "search"),
        (JobState.RUNNING, {"step": "of another version", "done": 1}, 0, "intake"),
        (JobState.QUEUED, {"step": "profile", "done": 3, "total": 9}, 3, None),
        (JobState.FINALIZING, {"step": "report", "done": 1, "total": 1}, 8, "store"),
        (JobState.SUCCEEDED, {"step": "report", "done": 1, "total": 1}, 9, None),
    ],
)
def test_steps_are_done_running_or_to_come(
    state: JobState, progress: dict[str, Any], done: int, current: str | None
) -> None:
    lines = timeline.step_lines(job(state, **progress))
    assert [line.status for line in lines[:done]] == ["done"] * done
    assert [line.step for line in lines if line.status == "current"] == ([] if current is None else [current])


def test_the_step_where_a_job_ended_is_marked() -> None:
    for state in (JobState.FAILED, JobState.CANCELLED):
        lines = timeline.step_lines(job(state, step="search", done=2, total=None))
        assert [line.step for line in lines if line.status == "stopped"] == ["search"]


def test_the_current_step_shows_the_last_measurement() -> None:
    facts = {"group": "block.0.mlp.fc1", "rate": 0.3, "accuracy": 0.9, "memory_saving": 0.1}
    step = timeline.current_step(job(JobState.RUNNING, step="search", done=4, total=None, note="", facts=facts))
    assert step is not None
    assert step.note == "block.0.mlp.fc1 at 30 %, accuracy 90.00 %, saves 10.00 %"
    assert timeline.current_step(job(JobState.QUEUED)) is None
    assert timeline.current_step(job(JobState.CANCELLING)) == timeline.CurrentStep(
        step="", title="Starting", done=0, total=None, note=""
    )
    assert timeline.current_step(replace(job(JobState.FINALIZING))) is not None
