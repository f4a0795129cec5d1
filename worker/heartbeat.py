"""Keeps a claim alive while work goes on: renews the lease, stores progress, learns of cancellation and shutdown."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event

from sqlalchemy.exc import DBAPIError

from app.errors import LostClaim
from app.jobs.records import HeartbeatReply
from primesvt_client.facts import NO_FACTS
from primesvt_client.progress import Progress

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 0.5
"""How long waiting for something else may delay a stop."""

SendHeartbeat = Callable[[Sequence[Progress], float], HeartbeatReply]
"""Renews the lease, given the progress and the seconds since the last renewal."""


class CancelRequested(Exception):
    """The user wants the job stopped."""


class ShuttingDown(Exception):
    """The worker is being stopped; another attempt goes on with the work."""


class LeaseHeartbeat:
    """Renews a lease at its interval; `renew_if_due` is called often, between pieces of work."""

    def __init__(self, send: SendHeartbeat, stopping: Event, *, every_seconds: float, lease_seconds: float) -> None:
        self.send, self.stopping, self.every_seconds, self.lease_seconds = send, stopping, every_seconds, lease_seconds
        self.renewed_at = self.tried_at = time.monotonic()
        self._reports: list[Progress] = []

    def report(self, progress: Progress) -> None:
        """Send this with the next renewal; a report without facts is replaced by the next one of its step."""
        last = self._reports[-1] if self._reports else None
        if last is not None and last.facts == NO_FACTS and last.step == progress.step:
            self._reports.pop()
        self._reports.append(progress)

    def renew_if_due(self) -> None:
        """Renew if it is time to.

        Raises:
            CancelRequested: the user wants the job stopped.
            ShuttingDown: the worker is being stopped.
            LostClaim: another worker has the claim.
        """
        if self.stopping.is_set():
            raise ShuttingDown
        if time.monotonic() - self.tried_at >= self.every_seconds:
            self.renew()

    def renew(self) -> None:
        """Renew now. A database that does not answer is retried until the lease is over.

        Raises:
            CancelRequested: the user wants the job stopped.
            LostClaim: another worker has the claim.
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
