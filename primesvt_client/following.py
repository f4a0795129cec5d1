"""The events of a job, as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from primesvt_client.connection import WRONG_SERVER_HINT, Connection
from primesvt_client.errors import ClientError
from primesvt_client.schemas.jobs import EventView


def events(connection: Connection, job_id: str, after: int = 0) -> Iterator[EventView]:
    """The events of a job behind ``after``, until the connection ends.

    Raises:
        ServerError: the server refused.
        Unreachable: no answer, or the connection was lost.
    """
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)} if after else {"Accept": "text/event-stream"}
    with connection.stream(f"jobs/{job_id}/events", headers) as answer:
        yield from parsed(answer.iter_lines())


def parsed(lines: Iterator[str]) -> Iterator[EventView]:
    """The events of a stream; comments are heartbeats and mean nothing.

    Raises:
        ClientError: it is not the stream of a PrimeSVT server.
    """
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif not line and "data" in fields:
            yield EventView(id=_number(fields.get("id", "")), kind=fields.get("event", ""), data=_data(fields["data"]))
            fields = {}


def _number(text: str) -> int:
    if not text.isdigit():
        raise ClientError(f"an event of the server has the id {text[:60]!r}; {WRONG_SERVER_HINT}")
    return int(text)


def _data(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise ClientError(f"an event of the server cannot be read; {WRONG_SERVER_HINT}")
    return data
