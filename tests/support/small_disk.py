"""A file system of a few megabytes that a test can fill."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers import missing

FILL = "filling"
CHUNK = 1 << 20


class SmallDisk:
    """A mounted folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, leave_bytes: int = 0) -> None:
        """Leave only so much room."""
        status = os.statvfs(self.folder)
        left = status.f_bavail * status.f_frsize - leave_bytes
        # Somebody else may take the rest meanwhile.
        with (self.folder / FILL).open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while left > 0:
                left -= file.write(bytes(min(left, CHUNK)))

    def clear(self) -> None:
        """Make room again."""
        (self.folder / FILL).unlink()


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[SmallDisk]:
    """A disk of that size; only root may mount one."""
    folder.mkdir(parents=True)
    options = ["-t", "tmpfs", "-o", f"size={size_bytes},mode=700", "tmpfs", str(folder)]
    try:
        subprocess.run(["mount", *options], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        missing(f"cannot mount a small file system: {error}")
    try:
        yield SmallDisk(folder)
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)
