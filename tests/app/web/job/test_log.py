"""The log of a job."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.jobs.records import JobEvent
from app.web.job.log import lines
from primesvt_client.progress import Progress
from primesvt_client.states import Step
from tests.support.dashboard import progress

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def events(*found: Progress | dict[str, Any]) -> list[JobEvent]:
    return [
        JobEvent(id=number, at=AT, kind="progress", data=one.document())
        if isinstance(one, Progress)
        else JobEvent(id=number, at=AT, kind="state", data=one)
        for number, one in enumerate(found, start=1)
    ]


def test_steps_begin_and_end_and_say_what_they_measured() -> None:
    found = lines(events({"state": "queued"}, {"state": "running", "attempt": 2}, *progress()[:8]))
    assert [(line.what, line.note) for line in reversed(found)][:4] == [
        ("Queued", ""), ("Running", "attempt 2"), ("Read checkpoint and data", ""),
        ("Read checkpoint and data", "done in 0.5 s"),
    ]  # fmt: skip
    assert "block.0.mlp.fc1 at 20 %, accuracy" in found[0].note
    assert "(2 of 82)" in found[0].note
    assert [line.is_step for line in found[:2]] == [False, False]


def test_only_the_last_lines_are_there_and_what_says_nothing_is_left_out() -> None:
    counting = [Progress(step=Step.SEARCH, done=number) for number in range(10)]
    assert [line.what for line in lines(events(*counting))] == ["Search within the budget"]
    assert len(lines(events(*[{"state": "queued"}] * 300))) == 200


def test_what_another_version_wrote_does_not_hinder() -> None:
    odd: list[dict[str, Any]] = [
        {},
        {"state": None},
        {"state": 5, "reason": "<b>why</b>"},
        {"state": "running", "attempt": "x"},
    ]
    assert [line.note for line in lines(events(*odd))] == ["", "retried: <b>why</b>", "", ""]
    unknown = JobEvent(id=1, at=AT, kind="progress", data={"step": 7})
    assert lines([unknown]) == ()
