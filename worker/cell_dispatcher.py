"""Handing out the cells of a profile: to the job's own child, and to one that helps with another's job."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from app.jobs.cells import CellStore
from app.jobs.records import CellClaim, JobClaim
from primesvt_core.types import Rates
from worker.persistence import FreshCells
from worker.protocol import ShareAnswer

log = logging.getLogger(__name__)

BATCH_SECONDS = 5.0
"""How long a batch of cells takes about, once it is known how long a cell takes."""

HASTE = 0.5
"""Weight of the newest measurement in what is taken for a cell's seconds."""


@dataclass
class Pace:
    """How long a cell takes, as measured from one question for more to the next."""

    cell_seconds: float | None = None
    _asked_at: float = field(default_factory=time.monotonic)
    _handed_out: int = 0

    def asked(self) -> None:
        """The child has computed what it was given."""
        if self._handed_out:
            seconds = (time.monotonic() - self._asked_at) / self._handed_out
            before = seconds if self.cell_seconds is None else self.cell_seconds
            self.cell_seconds = HASTE * seconds + (1 - HASTE) * before
        self._handed_out = 0

    def handed_out(self, cells: int) -> None:
        """The child is given so many."""
        self._asked_at, self._handed_out = time.monotonic(), cells

    @property
    def batch(self) -> int:
        """Cells to hand out at once."""
        return 1 if not self.cell_seconds else max(1, round(BATCH_SECONDS / self.cell_seconds))


class OwnDesk:
    """For the job's own child. While the profile is short it gets cell after cell; one that takes long is shared."""

    def __init__(
        self,
        steps: CellStore,
        claim: JobClaim,
        cells: FreshCells,
        share_seconds: float,
        ring: Callable[[], None],
        keep_files: Callable[[], None],
    ) -> None:
        """
        Args:
            steps: where cells are shared.
            claim: the job's.
            cells: what the child has computed.
            share_seconds: a profile that is thought to take longer is shared.
            ring: tells idle workers that there is something to help with.
            keep_files: stores large files that are new.
        """
        self.steps, self.claim, self.cells, self.ring, self.tend = steps, claim, cells, ring, keep_files
        self.share_seconds, self.pace = share_seconds, Pace()
        self._wanted: dict[str, Rates] = {}
        self._is_shared = self._waits = False

    def offer(self, cells: Mapping[str, Rates]) -> None:
        self._wanted = dict(cells)

    def share(self) -> ShareAnswer | None:
        if not self._waits:
            self.pace.asked()
        try:
            answer = self._answer()
        except DBAPIError as error:  # asked again soon; the pulse notices if it is away for too long
            log.warning("cells_not_shared", extra={"reason": str(error.orig)})
            answer = None
        self._waits = answer is None
        return answer

    def _answer(self) -> ShareAnswer | None:
        if not self._is_shared and self._is_long():
            self.steps.publish(self.claim, self._wanted)
            self._is_shared = True
            self.ring()
        return self._from_all() if self._is_shared else self._next()

    def _is_long(self) -> bool:
        left = len(self._wanted)
        return left > 1 and self.pace.cell_seconds is not None and left * self.pace.cell_seconds > self.share_seconds

    def _next(self) -> ShareAnswer:
        if not self._wanted:
            return ShareAnswer()
        key = next(iter(self._wanted))
        self.pace.handed_out(1)
        return ShareAnswer(mine={key: dict(self._wanted.pop(key))})

    def _from_all(self) -> ShareAnswer | None:
        mine, found = self.steps.share(self.claim, self.cells.read(), self.pace.batch, self._wanted)
        self.cells.note()
        for key in (*mine, *found):
            self._wanted.pop(key, None)
        self.pace.handed_out(len(mine))
        if mine or found or not self._wanted:
            return ShareAnswer(mine=mine, found=found)
        return None  # all that is left is being computed by others


class HelpDesk:
    """For a child that helps: batch after batch, until there is nothing left or this worker has its own job to do."""

    def __init__(self, steps: CellStore, claim: CellClaim, cells: FreshCells, has_own: Callable[[], bool]) -> None:
        self.steps, self.claim, self.cells, self.has_own = steps, claim, cells, has_own
        self.pace, self.told_at = Pace(), time.monotonic()

    def offer(self, cells: Mapping[str, Rates]) -> None:
        """A helper wants nothing."""

    def share(self) -> ShareAnswer:
        self.pace.asked()
        mine = self.tell(0 if self.has_own() else self.pace.batch, is_through=True)
        self.pace.handed_out(len(mine))
        return ShareAnswer(mine=mine)

    def tend(self) -> None:
        """Nothing needs it."""

    def tell(self, limit: int = 0, *, is_through: bool = False) -> dict[str, dict[str, float]]:
        """Hand in what was computed, and get so many more cells.

        Args:
            limit: most cells to get.
            is_through: whether everything that was given out should be there.

        Raises:
            LostClaim: the job needs no help any more.
        """
        told_at = time.monotonic()
        seconds, computed = told_at - self.told_at, self.cells.read()
        mine = self.steps.assist(self.claim, computed, seconds, limit, is_through=is_through)
        self.cells.note()
        self.told_at = told_at
        return mine
