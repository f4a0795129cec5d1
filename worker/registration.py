"""Registers a worker in the list of workers and reports its state, in a thread that never delays its work."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from sqlalchemy.exc import DBAPIError

from app.workers.records import WorkerState
from app.workers.service import WorkerService
from primesvt_core import __version__

log = logging.getLogger(__name__)


class WorkerRegistration:
    """A worker's entry in the list of workers, kept up to date by a thread of its own."""

    def __init__(self, workers: WorkerService, worker_id: str, devices: tuple[str, ...]) -> None:
        self.workers, self.worker_id, self.devices = workers, worker_id, devices
        self._state: tuple[WorkerState, str | None] = (WorkerState.IDLE, None)
        self._missing: tuple[str, ...] | None = None
        self._changed, self._over = Event(), False

    @contextmanager
    def registered(self) -> Iterator[None]:
        """List this worker while the block runs."""
        thread = threading.Thread(target=self._report_until_over, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over = True
            self._changed.set()
            thread.join(self.workers.report_seconds)

    def set_state(self, state: WorkerState, job_id: str | None = None) -> None:
        """Report this state from now on."""
        self._state = (state, job_id)
        self._changed.set()

    def set_missing(self, promises: tuple[str, ...] | None) -> None:
        """Report from now on that these promises of the sandbox do not hold here; None: it is not known."""
        self._missing = promises
        self._changed.set()

    def _report_until_over(self) -> None:
        while not self._over:
            self._report()
            self._changed.wait(self.workers.report_seconds)
            self._changed.clear()
        try:
            self.workers.leave(self.worker_id)
        except DBAPIError as error:
            log.warning("presence_not_told", extra={"reason": str(error.orig)})

    def _report(self) -> None:
        state, job_id = self._state
        try:
            self.workers.report(
                self.worker_id, socket.gethostname(), self.devices, __version__, state, job_id, self._missing
            )
        except DBAPIError as error:
            log.warning("presence_not_told", extra={"reason": str(error.orig)})
