"""Logs on standard error: constant events with fields, the job's or request's id on every line of its task.

Code logs through the standard library, as Celery and uvicorn do; structlog's processors turn each record into a line.
"""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.processors import ExceptionRenderer, JSONRenderer
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

INDENT = "\n    "
HEAD = ("at", "level", "logger", "event")
OF_OTHER_FORMATTERS = ("message", "asctime")
"""Attributes that formatters of other handlers leave on a record."""


def bound(job_id: str) -> AbstractContextManager[None]:
    """Put ``job_id`` on every line logged inside."""
    return bound_contextvars(job_id=job_id)


def answering(request_id: str) -> AbstractContextManager[None]:
    """Put ``request_id`` on every line logged inside."""
    return bound_contextvars(request_id=request_id)


def formatter(*, as_json: bool) -> logging.Formatter:
    """Formats a record as ``time level event field=value …``, or the same as one JSON object."""
    fields: list[Processor] = [ExtraAdder(), merge_contextvars, ExceptionRenderer(), _ordered]
    return ProcessorFormatter(processors=[*fields, JSONRenderer(default=str) if as_json else _text])


def configure(level: str, *, as_json: bool) -> None:
    """Send this process's logs to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(as_json=as_json))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _ordered(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """When, how grave, where and what first, then the fields; a traceback last, as ``error``."""
    record: logging.LogRecord = event["_record"]
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    head = {"at": at, "level": record.levelname, "logger": record.name, "event": event.pop("event")}
    traceback = {"error": event.pop("exception")} if "exception" in event else {}
    ProcessorFormatter.remove_processors_meta(_logger, _method, event)
    fields = {name: value for name, value in event.items() if name not in OF_OTHER_FORMATTERS}
    return head | fields | traceback


def _text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    fields = [f"{name}={_line(name, value)}" for name, value in event.items() if name not in HEAD]
    return " ".join([event["at"], f"{event['level']:<7}", event["event"], *fields])


def _line(field: str, value: object) -> str:
    """A field's value; what a client sent must not begin a line of its own, which in a traceback is indented."""
    text = str(value)
    if field == "error":
        return INDENT.join(line if line.isprintable() else repr(line) for line in text.splitlines())
    return text if text.isprintable() else repr(text)
