"""Files in pieces, also such as a child wrote: where it says that they are, nothing else may be read."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

CHUNK = 1 << 20


def open_plain(path: Path) -> BufferedReader:
    """Open a file to read that is one itself, rather than a link to what its writer may not read, a pipe or a device.

    Raises:
        OSError: it is not there, or something else.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "this is no plain file", str(path))
    return file


def chunks(path: Path) -> Iterator[bytes]:
    """The file, a piece at a time.

    Raises:
        OSError: it is not there, or no plain file.
    """
    with open_plain(path) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def plain_files(folder: Path) -> list[Path]:
    """The files in a folder and below it; links are left out."""
    found = (Path(root, name) for root, _folders, names in os.walk(folder, followlinks=False) for name in names)
    return sorted(path for path in found if stat.S_ISREG(path.lstat().st_mode))
