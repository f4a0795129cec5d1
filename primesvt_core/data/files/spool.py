"""Bytes of many samples, kept in one temporary file."""

from __future__ import annotations

import os
import tempfile
from typing import IO

from primesvt_core.data.files.scratch import Room, told_full


class Spool:
    """Bytes in a temporary file, which is gone with the data set that reads from it.

    Not buffered: what finds no room is told when it is appended, not when something is read.
    """

    def __init__(self) -> None:
        self._room, self._size = Room(), 0
        with told_full():
            self._file: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # closed by __del__

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()
            self._room.give_back()

    def append(self, content: bytes) -> int:
        """Keep more bytes; returns where they are.

        Raises:
            ScratchFull: there is no room.
        """
        self._room.take(len(content))
        start, left = self._size, memoryview(content)
        with told_full():
            while left:
                left = left[self._file.write(left) :]
        self._size += len(content)
        return start

    def read(self, start: int, size: int) -> bytes:
        """Bytes that were kept; any number of threads at once."""
        found = bytearray()
        while len(found) < size and (more := os.pread(self._file.fileno(), size - len(found), start + len(found))):
            found += more
        return bytes(found)
