"""The form of log lines: what `docs/operations.md` promises to whoever reads or collects them."""

from __future__ import annotations

import json
import logging
import re
import sys

from app import logs

AT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"


def record(level: int = logging.INFO, error: BaseException | None = None, **fields: object) -> logging.LogRecord:
    raised = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("app.some", level, "some.py", 1, "something_%s", ("happened",), raised)
    made.__dict__.update(fields)
    return made


def test_a_line_of_json_has_the_event_its_fields_and_the_ids_of_its_task() -> None:
    with logs.bound("job_1"), logs.answering("request_1"):
        line = logs.formatter(as_json=True).format(record(size_bytes=3, path=sys))
    found = json.loads(line)
    assert [*found][:4] == ["at", "level", "logger", "event"]
    assert re.fullmatch(AT, found.pop("at"))
    assert found == {
        "level": "INFO", "logger": "app.some", "event": "something_happened", "size_bytes": 3, "path": str(sys),
        "job_id": "job_1", "request_id": "request_1",
    }  # fmt: skip


def test_a_line_of_text_has_the_same() -> None:
    with logs.bound("job_1"):
        line = logs.formatter(as_json=False).format(record(logging.WARNING, reason="away"))
    assert re.fullmatch(rf"{AT} WARNING something_happened reason=away job_id=job_1", line)


def test_ids_end_with_their_task() -> None:
    with logs.bound("job_1"):
        pass
    assert "job_id" not in json.loads(logs.formatter(as_json=True).format(record()))


def test_a_field_of_the_record_goes_before_the_tasks() -> None:
    with logs.bound("job_1"):
        assert json.loads(logs.formatter(as_json=True).format(record(job_id="job_2")))["job_id"] == "job_2"


def test_an_error_has_its_traceback_and_is_left_to_other_handlers() -> None:
    try:
        raise ValueError("broken")
    except ValueError as error:
        failed = record(logging.ERROR, error)
    found = json.loads(logs.formatter(as_json=True).format(failed))
    assert found["error"].startswith("Traceback")
    assert found["error"].endswith("ValueError: broken")
    assert failed.exc_info
    first, *rest = logs.formatter(as_json=False).format(failed).split("\n")
    assert first.endswith("something_happened error=Traceback (most recent call last):")
    assert all(line.startswith("    ") for line in rest)


def test_what_other_formatters_leave_on_a_record_is_no_field() -> None:
    found = json.loads(logs.formatter(as_json=True).format(record(message="something_happened", asctime="now")))
    assert {"message", "asctime"}.isdisjoint(found)
