"""Telling which holders of leases have fallen silent, without believing any wall clock."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Mapping


class LeaseWatch:
    """Remembers when each lease was seen to be renewed, by this process's own steady clock.

    A holder is silent once its renewal has not changed for a whole lease while somebody was looking. A wall clock that
    is set, or differs between machines, takes no lease away and keeps none alive; neither does a database that was away
    or a watcher that was stopped, since after a gap everything is watched anew.
    """

    def __init__(self, lease_seconds: float, look_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            lease_seconds: how long a holder may be silent.
            look_seconds: how often `silent` is meant to be asked.
            clock: seconds that only ever go forward.
        """
        self.lease_seconds, self.clock = lease_seconds, clock
        self.longest_gap = max(lease_seconds / 2, 2 * look_seconds)
        self._looked_at = -math.inf
        self._since: dict[str, tuple[Hashable, float]] = {}

    def silent(self, renewals: Mapping[str, Hashable]) -> set[str]:
        """Who has not renewed for a whole lease.

        Args:
            renewals: of every holder, something that every renewal changes.
        """
        moment = self.clock()
        known = self._since if moment - self._looked_at <= self.longest_gap else {}
        self._looked_at = moment
        unheard = {name: (renewal, moment) for name, renewal in renewals.items()}
        self._since = unheard | {
            name: seen for name, seen in known.items() if name in renewals and seen[0] == renewals[name]
        }
        return {name for name, (_, since) in self._since.items() if moment - since >= self.lease_seconds}
