"""Ids of rows: ULIDs in lower case behind a prefix that names the table."""

from __future__ import annotations

import time
from threading import Lock

from ulid import ULIDGenerator

_generator, _lock = ULIDGenerator(), Lock()
_last_moment = 0


def new_id(prefix: str) -> str:
    """``prefix_`` and 26 characters that sort by time of creation: 48 bits of milliseconds, 80 random bits.

    Those of one process sort in the order in which they were made: in the same millisecond, and when the wall clock is
    set back, too.
    """
    global _last_moment
    with _lock:
        _last_moment = max(_last_moment, time.time_ns() // 1_000_000)
        made = _generator.generate(_last_moment)
    return f"{prefix}_{str(made).lower()}"
