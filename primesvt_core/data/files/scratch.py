"""Room on disk for what archives unpack to: counted where the caller has a budget, and never taken for a damaged file.

with limited(20 << 20):
    data = open_data(path)
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from primesvt_core.errors import ScratchFull

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a disk, a quota of the disk, or a limit of the process that leave no room."""


@dataclass
class Budget:
    """Bytes that may be taken together, and that are."""

    most_bytes: int
    taken_bytes: int = 0


_budget: ContextVar[Budget | None] = ContextVar("scratch_budget", default=None)


@contextmanager
def limited(most_bytes: int) -> Iterator[Budget]:
    """Within the block, data sets that are opened take no more room than that together."""
    budget = Budget(most_bytes)
    token = _budget.set(budget)
    try:
        yield budget
    finally:
        _budget.reset(token)


class Room:
    """The room that one file or folder takes; given back when that is gone."""

    def __init__(self) -> None:
        self._budget, self._taken = _budget.get(), 0

    def take(self, size: int) -> None:
        """Before so many more bytes are written.

        Raises:
            ScratchFull: the budget does not have them.
        """
        if self._budget is not None:
            if self._budget.taken_bytes + size > self._budget.most_bytes:
                raise ScratchFull(
                    f"it unpacks to more than the {self._budget.most_bytes:,} bytes of scratch space that there are"
                )
            self._budget.taken_bytes += size
        self._taken += size

    def give_back(self) -> None:
        """The file or folder is gone."""
        if self._budget is not None:
            self._budget.taken_bytes -= self._taken
        self._taken = 0


@contextmanager
def told_full() -> Iterator[None]:
    """A full disk within the block as what it is.

    Raises:
        ScratchFull: there is no room.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise ScratchFull(
                f"there is no room in {tempfile.gettempdir()} for what it unpacks to ({error.strerror}); make some, or"
                " set TMPDIR to a folder on another disk"
            ) from None
        raise
