"""Logs on standard error: constant events with fields, the job's or request's id on every line of its task."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

INDENT = "\n    "
JOB_ID: ContextVar[str] = ContextVar("job_id", default="")
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}


@contextmanager
def bound(job_id: str) -> Iterator[None]:
    """Put ``job_id`` on every line logged inside."""
    token = JOB_ID.set(job_id)
    try:
        yield
    finally:
        JOB_ID.reset(token)


@contextmanager
def answering(request_id: str) -> Iterator[None]:
    """Put ``request_id`` on every line logged inside."""
    token = REQUEST_ID.set(request_id)
    try:
        yield
    finally:
        REQUEST_ID.reset(token)


class Lines(logging.Formatter):
    """``time level event field=value …``, or the same as one JSON object."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self.as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = {key: value for key, value in record.__dict__.items() if key not in STANDARD}
        if JOB_ID.get():
            fields.setdefault("job_id", JOB_ID.get())
        if REQUEST_ID.get():
            fields.setdefault("request_id", REQUEST_ID.get())
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        if self.as_json:
            head = {"at": at, "level": record.levelname, "logger": record.name, "event": record.getMessage()}
            return json.dumps(head | fields, default=str)
        return " ".join(
            [at, f"{record.levelname:<7}", record.getMessage(), *(f"{k}={_line(k, v)}" for k, v in fields.items())]
        )


def _line(field: str, value: object) -> str:
    """A field's value; what a client sent must not begin a line of its own, which in a traceback is indented."""
    text = str(value)
    if field == "error":
        return INDENT.join(line if line.isprintable() else repr(line) for line in text.splitlines())
    return text if text.isprintable() else repr(text)


def configure(level: str, *, as_json: bool) -> None:
    """Send this process's logs to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(as_json=as_json))
    logging.basicConfig(level=level, handlers=[handler], force=True)
