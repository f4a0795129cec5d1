"""Keeping a claim alive while work goes on: the lease is renewed, what was reported is kept, stops are heard."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event

from pydantic import JsonValue
from sqlalchemy.exc import DBAPIError

from app.errors import LostClaim
from app.jobs.records import HeartbeatReply

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 0.5
"""How long waiting for something else may keep a stop from being heard."""

Document = dict[str, JsonValue]
SendBeat = Callable[[Sequence[Document], float], HeartbeatReply]
"""Given what was reported, and the seconds, since the beat before."""


class CancelRequested(Exception):
    """The user wants the job stopped."""


class ShuttingDown(Exception):
    """The worker is being stopped; another attempt goes on with the work."""


class Pulse:
    """Beats when it is time to; `tick` is called often, between pieces of work."""

    def __init__(self, send: SendBeat, stopping: Event, *, every_seconds: float, lease_seconds: float) -> None:
        self.send, self.stopping, self.every_seconds, self.lease_seconds = send, stopping, every_seconds, lease_seconds
        self.renewed_at = self.tried_at = time.monotonic()
        self._reports: list[Document] = []

    def report(self, document: Document) -> None:
        """Tell this with the next beat; a report without facts is outdated by the one after it."""
        if self._reports and not self._reports[-1]["facts"] and self._reports[-1]["step"] == document["step"]:
            self._reports.pop()
        self._reports.append(document)

    def tick(self) -> None:
        """Beat if it is time to.

        Raises:
            CancelRequested: stop for good.
            ShuttingDown: stop for now.
            LostClaim: stop quietly.
        """
        if self.stopping.is_set():
            raise ShuttingDown
        if time.monotonic() - self.tried_at >= self.every_seconds:
            self.beat()

    def beat(self) -> None:
        """Beat now. A database that does not answer is asked again until the lease is over.

        Raises:
            CancelRequested: stop for good.
            LostClaim: stop quietly.
        """
        self.tried_at = time.monotonic()
        try:
            answer = self.send(self._reports, self.tried_at - self.renewed_at)
        except DBAPIError as error:
            if self.tried_at - self.renewed_at > self.lease_seconds:
                raise LostClaim("the database was away for longer than the lease") from error
            log.warning("heartbeat_failed", extra={"reason": str(error.orig)})
            return
        self.renewed_at, self._reports = self.tried_at, []
        if answer.cancel_requested:
            raise CancelRequested
