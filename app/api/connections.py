"""Connections that hold a place without using it are closed: uvicorn would wait for heads and readers for ever.

``uvicorn --http app.api.connections:PatientProtocol``. Bodies have their own time-out (`app.api.body_timeouts`), which
answers 408.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20.0
"""From the first moment without a request until the head of the next one is complete."""

READER_SECONDS = 60.0
"""How long a client may take nothing of what it is sent."""

MOST_CONNECTIONS = 2000
"""In all, in one process. Beyond it the connection goes that has been without a request for the longest time."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with an end to patience."""

    idle_since: float | None = None
    """By the loop's clock, since when there is no request; None while one is answered."""

    _giving_up: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > MOST_CONNECTIONS:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reading = self.loop.call_later(READER_SECONDS, self._close)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        self._cancel_reading()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Count the time without a request; what arrives of a head meanwhile does not begin it anew."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._cancel()
        elif self._giving_up is None and not self.transport.is_closing():
            self.idle_since = self.loop.time()
            self._giving_up = self.loop.call_later(HEAD_SECONDS, self._close)

    def _make_room(self) -> None:
        patient: list[Any] = [one for one in self.connections if getattr(one, "idle_since", None) is not None]
        min(patient, key=lambda one: one.idle_since, default=self)._close()

    def _close(self) -> None:
        self.transport.abort()  # what is left to be sent nobody reads

    def _cancel(self) -> None:
        self.idle_since = None
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _cancel_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
