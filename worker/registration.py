"""A worker tells that it is there, and what it is doing, without ever being held up by telling it."""

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


class Presence:
    """What the list of workers shows of this one; told by a thread of its own."""

    def __init__(self, workers: WorkerService, worker_id: str, devices: tuple[str, ...]) -> None:
        self.workers, self.worker_id, self.devices = workers, worker_id, devices
        self._shown: tuple[WorkerState, str | None] = (WorkerState.IDLE, None)
        self._changed, self._over = Event(), False

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell of this worker while the block runs; afterwards it is not listed any more."""
        thread = threading.Thread(target=self._tell_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over = True
            self._changed.set()
            thread.join(self.workers.report_seconds)

    def show(self, state: WorkerState, job_id: str | None = None) -> None:
        """From now on it does this."""
        self._shown = (state, job_id)
        self._changed.set()

    def _tell_on(self) -> None:
        while not self._over:
            self._tell()
            self._changed.wait(self.workers.report_seconds)
            self._changed.clear()
        try:
            self.workers.leave(self.worker_id)
        except DBAPIError as error:
            log.warning("presence_not_told", extra={"reason": str(error.orig)})

    def _tell(self) -> None:
        state, job_id = self._shown
        try:
            self.workers.report(self.worker_id, socket.gethostname(), self.devices, __version__, state, job_id)
        except DBAPIError as error:
            log.warning("presence_not_told", extra={"reason": str(error.orig)})
