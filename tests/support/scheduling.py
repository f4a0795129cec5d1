"""The scheduler of pytest-xdist that keeps groups together; `tests.support.sharing_out` says what is one.

Its own way, the marker ``xdist_group``, changes the ids of tests, which pytest no longer lets it.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

from tests.support.sharing_out import group


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Gives one process a whole group."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)
