"""How much memory a worker's machine, or the container that it runs in, has."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Of the container: version 2 and 1 of control groups."""


def machine_bytes(limits: Sequence[Path] = CGROUP_LIMITS) -> int:
    """Memory that there is for all processes together.

    Args:
        limits: files that may hold a container's limit.
    """
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in limits:
        try:
            found.append(int(path.read_text()))
        except (OSError, ValueError):  # not of this version, or "max": no limit
            continue
    return min(found)
