"""Dispatches the cells of a profile: to the job's own child, and to a child that helps with another worker's job."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy.exc import DBAPIError

from app.jobs.cells import CellStore
from app.jobs.records import CellClaim, JobClaim
from primesvt_core.types import Rates
from worker.persistence import NewCells
from worker.protocol import AssignmentAnswer

log = logging.getLogger(__name__)

BATCH_SECONDS = 5.0
"""How long a batch of cells takes about, once it is known how long a cell takes."""

EWMA_ALPHA = 0.5
"""Weight of the newest measurement in the moving average of a cell's seconds."""


@dataclass
class Throughput:
    """How long a cell takes, measured from one request for a batch to the next."""

    cell_seconds: float | None = None
    _batch_began: float = field(default_factory=time.monotonic)
    _batch_cells: int = 0

    def end_batch(self) -> None:
        """The child has computed its batch."""
        if self._batch_cells:
            seconds = (time.monotonic() - self._batch_began) / self._batch_cells
            before = seconds if self.cell_seconds is None else self.cell_seconds
            self.cell_seconds = EWMA_ALPHA * seconds + (1 - EWMA_ALPHA) * before
        self._batch_cells = 0

    def begin_batch(self, cells: int) -> None:
        """The child gets so many cells."""
        self._batch_began, self._batch_cells = time.monotonic(), cells

    @property
    def batch_size(self) -> int:
        """Cells to dispatch at once."""
        return 1 if not self.cell_seconds else max(1, round(BATCH_SECONDS / self.cell_seconds))


class OwnCellDispatcher:
    """For the job's own child. While the profile is short it gets batch after batch; a long one is shared."""

    def __init__(
        self,
        steps: CellStore,
        claim: JobClaim,
        cells: NewCells,
        share_seconds: float,
        request_help: Callable[[], None],
        save_files: Callable[[], None],
    ) -> None:
        """
        Args:
            steps: where cells are shared.
            claim: the job's.
            cells: what the child has computed.
            share_seconds: a profile that is expected to take longer is shared.
            request_help: calls idle workers.
            save_files: stores large files that are new.
        """
        self.steps, self.claim, self.cells, self.poll = steps, claim, cells, save_files
        self.share_seconds, self.request_help, self.throughput = share_seconds, request_help, Throughput()
        self._wanted: dict[str, Rates] = {}
        self._is_shared = self._is_waiting = False

    def publish(self, cells: Mapping[str, Rates]) -> None:
        """Others are told of these as well, if they take long: a policy asks more than once."""
        self._wanted, self._is_shared = dict(cells), False

    def next_batch(self) -> AssignmentAnswer | None:
        if not self._is_waiting:
            self.throughput.end_batch()
        try:
            answer = self._assign()
        except DBAPIError as error:  # retried soon; the heartbeat notices if the database is away for too long
            log.warning("cells_not_shared", extra={"reason": str(error.orig)})
            answer = None
        self._is_waiting = answer is None
        return answer

    def _assign(self) -> AssignmentAnswer | None:
        if not self._is_shared and self._is_long():
            self.steps.publish(self.claim, self._wanted, self.cells.read())
            self.cells.mark_saved()
            self._is_shared = True
            self.request_help()
        return self._assign_shared() if self._is_shared else self._assign_own()

    def _is_long(self) -> bool:
        left, seconds = len(self._wanted), self.throughput.cell_seconds
        return left > 1 and seconds is not None and left * seconds > self.share_seconds

    def _assign_own(self) -> AssignmentAnswer:
        batch = dict(islice(self._wanted.items(), self.throughput.batch_size))
        for key in batch:
            del self._wanted[key]
        self.throughput.begin_batch(len(batch))
        return AssignmentAnswer(to_compute={key: dict(rates) for key, rates in batch.items()})

    def _assign_shared(self) -> AssignmentAnswer | None:
        to_compute, results = self.steps.share(
            self.claim, self.cells.read(), self.throughput.batch_size, self._wanted
        )  # fmt: skip
        self.cells.mark_saved()
        for key in (*to_compute, *results):
            self._wanted.pop(key, None)
        self.throughput.begin_batch(len(to_compute))
        if to_compute or results or not self._wanted:
            return AssignmentAnswer(to_compute=to_compute, results=results)
        return None  # other workers compute all that is left


class HelperCellDispatcher:
    """For a child that helps: batch after batch, until no cell is left or a job waits for this worker."""

    def __init__(self, steps: CellStore, claim: CellClaim, cells: NewCells, has_own_job: Callable[[], bool]) -> None:
        self.steps, self.claim, self.cells, self.has_own_job = steps, claim, cells, has_own_job
        self.throughput, self.reported_at = Throughput(), time.monotonic()
        self._has_common = False

    def publish(self, cells: Mapping[str, Rates]) -> None:
        """A helper publishes nothing."""

    def next_batch(self) -> AssignmentAnswer:
        self.throughput.end_batch()
        to_compute = self.report(0 if self.has_own_job() else self.throughput.batch_size, is_complete=True)
        common = {} if self._has_common else self.steps.common(self.claim)
        self._has_common = True
        self.throughput.begin_batch(len(to_compute))
        return AssignmentAnswer(to_compute=to_compute, results=common)

    def poll(self) -> None:
        """Nothing to do."""

    def report(self, limit: int = 0, *, is_complete: bool = False) -> dict[str, dict[str, float]]:
        """Hand in what was computed, and get more cells.

        Args:
            limit: most cells to get.
            is_complete: whether every cell of the batch should have been computed.

        Raises:
            LostClaim: the job needs no help any more.
        """
        reported_at = time.monotonic()
        seconds, computed = reported_at - self.reported_at, self.cells.read()
        to_compute = self.steps.assist(self.claim, computed, seconds, limit, is_through=is_complete)
        self.cells.mark_saved()
        self.reported_at = reported_at
        return to_compute
