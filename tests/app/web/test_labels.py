from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from app.catalog.states import UploadState
from app.jobs.records import Job
from app.jobs.states import JobState
from app.web import forms, labels, timeline
from primesvt_client.facts import read
from primesvt_client.progress import Progress
from primesvt_core import spec
from primesvt_core.types import Step, Verdict

NOW = datetime(2026, 11, 24, 9, 24, 47, tzinfo=UTC)


def job(state: JobState, **progress: Any) -> Job:
    return Job(
        id="job_1", name="", state=state, checkpoint_id="", dataset_id="", train_dataset_id=None, retry_of=None,
        spec={}, progress=read(Progress, progress), verdict=None, summary=None, problem=None, attempts=1,
        created_at=NOW, started_at=None, finished_at=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fraction", "told"),
    [(0.2668, "26.68 points"), (-0.0123, "\u22121.23 points"), (-0.000001, "0.00 points"), (None, labels.NOTHING)],
)
def test_points(fraction: float | None, told: str) -> None:
    assert labels.points(fraction) == told


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "0 bytes"), (1023, "1,023 bytes"), (1536, "1.5 KiB"), (37_300_000, "35.6 MiB"), (5 << 40, "5,120.0 GiB")],
)
def test_sizes(count: int, told: str) -> None:
    assert labels.size(count) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (95, "1 min 35 s"), (7265, "2 h 01 min"), (None, labels.NOTHING)],
)
def test_durations(seconds: float | None, told: str) -> None:
    assert labels.duration(seconds) == told


def test_times_are_utc_whatever_zone_they_come_in() -> None:
    local = NOW.astimezone(timezone(timedelta(hours=5)))
    assert labels.utc(local) == "2026-11-24 09:24 UTC"
    assert labels.utc_exact(local) == "2026-11-24 09:24:47 UTC"
    assert labels.iso(local) == "2026-11-24T09:24:47+00:00"


def test_run_time_leaves_out_the_queue() -> None:
    assert labels.run_seconds(None, None, NOW) is None
    assert labels.run_seconds(NOW - timedelta(seconds=9), None, NOW) == 9
    assert labels.run_seconds(NOW - timedelta(seconds=9), NOW - timedelta(seconds=4), NOW) == 5


def test_every_state_step_and_verdict_has_words() -> None:
    assert {*JobState, *UploadState} <= labels.STATES.keys()
    assert set(Step) <= labels.STEPS.keys()
    assert set(Verdict) <= labels.VERDICTS.keys()


@pytest.mark.parametrize(
    ("state", "progress", "done", "current"),
    [
        (JobState.QUEUED, {}, 0, None),
        (JobState.RUNNING, {}, 0, "Read checkpoint and data"),
        (JobState.RUNNING, {"step": "profile", "done": 3, "total": 9}, 3, "Profile every channel group"),
        (JobState.RUNNING, {"step": "profile", "done": 9, "total": 9}, 4, "Search within the budget"),
        (JobState.RUNNING, {"step": "of another version", "done": 1}, 0, "Read checkpoint and data"),
        (JobState.QUEUED, {"step": "profile", "done": 3, "total": 9}, 3, None),
        (JobState.FINALIZING, {"step": "report", "done": 1, "total": 1}, 8, "Store the results"),
        (JobState.SUCCEEDED, {"step": "report", "done": 1, "total": 1}, 9, None),
    ],
)
def test_steps_are_done_running_or_to_come(
    state: JobState, progress: dict[str, Any], done: int, current: str | None
) -> None:
    lines = timeline.lines(job(state, **progress))
    assert [line.status for line in lines[:done]] == ["done"] * done
    assert [line.title for line in lines if line.status == "current"] == ([] if current is None else [current])


def test_the_step_where_a_job_ended_is_marked() -> None:
    for state in (JobState.FAILED, JobState.CANCELLED):
        lines = timeline.lines(job(state, step="search", done=2, total=None))
        assert [line.title for line in lines if line.status == "stopped"] == ["Search within the budget"]


def test_the_meter_tells_what_was_just_measured() -> None:
    facts = {"group": "block.0.mlp.fc1", "rate": 0.3, "accuracy": 0.9, "memory_saving": 0.1}
    meter = timeline.meter(job(JobState.RUNNING, step="search", done=4, total=None, note="", facts=facts))
    assert meter is not None
    assert meter.note == "block.0.mlp.fc1 at 30 %, accuracy 90.00 %, saves 10.00 %"
    assert timeline.meter(job(JobState.QUEUED)) is None
    assert timeline.meter(job(JobState.CANCELLING)) == timeline.Meter(title="Starting", done=0, total=None, note="")
    assert timeline.meter(replace(job(JobState.FINALIZING))) is not None


def test_a_form_and_its_spec_say_the_same() -> None:
    typed = {
        "max_accuracy_drop": "2,5", "min_memory_saving": "30", "max_parameter_mebibytes": "12.5", "rates": "10; 50",
        "fine_tuning_epochs": "3", "learning_rate": "0.001", "excluded_groups": "embedding, block.*.attn.*",
        "confidence": "90", "seed": "5", "policy": "prioritized", "time_steps": "4",
    }  # fmt: skip
    reading = forms.read(typed)
    assert not reading.errors
    parsed = spec.parse(reading.spec)
    assert parsed.budget.max_parameter_bytes == 13_107_200
    assert parsed.rates == (0.1, 0.5)
    again = forms.read(forms.values_of(parsed.model_dump(mode="json", exclude_unset=True)))
    assert again == reading


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("max_accuracy_drop", "three"), ("max_accuracy_drop", "nan"), ("max_accuracy_drop", "-1"),
        ("min_memory_saving", "100"), ("max_parameter_mebibytes", "inf"), ("max_parameter_mebibytes", "0"),
        ("fine_tuning_epochs", "1.5"), ("learning_rate", "inf"), ("rates", "0"), ("rates", ","), ("seed", "9" * 30),
        ("policy", "magic"), ("time_steps", "x"), ("search_images", "0"), ("seed", "9" * 5000),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_blamed_on_its_field(name: str, typed: str) -> None:
    errors = forms.read({"min_memory_saving": "25", name: typed}).errors
    assert errors
    assert name in errors or (name == "policy" and "magic" in errors[""])


def test_field_limits_are_those_of_the_spec() -> None:
    for entry in forms.FIELDS:
        assert entry.low is None or math.isfinite(entry.low)
        assert entry.is_number or entry.low is None
