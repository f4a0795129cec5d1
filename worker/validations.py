"""The validations that a worker has begun: few, and no team's keep those of another from being begun."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from app.catalog.records import UploadClaim
from worker.turns import AT_ONCE, BEGUN

ClaimNext = Callable[[Collection[str]], UploadClaim | None]
"""Claims the next upload, of teams other than those given."""


class Validations:
    """Counts what is begun, by team."""

    def __init__(self) -> None:
        self.teams: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def begun(self, claim_next: ClaimNext) -> Iterator[UploadClaim | None]:
        """The claim on the next upload that may be begun, counted while the block runs; None if there is none."""
        with self._lock:  # a claim counts before the next one is asked for
            claim = claim_next(self._full()) if self.teams.total() < BEGUN else None
            if claim is not None:
                self.teams[claim.team] += 1
        try:
            yield claim
        finally:
            if claim is not None:
                with self._lock:
                    self.teams[claim.team] -= 1
                    self.teams += Counter()  # without those that have none

    def _full(self) -> frozenset[str]:
        """Teams that may begin no more: all that have one, once the places to compute at are taken."""
        return frozenset(self.teams) if self.teams.total() >= AT_ONCE else frozenset()
