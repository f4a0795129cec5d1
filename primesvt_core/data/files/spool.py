"""Bytes of many samples, kept in one temporary file."""

from __future__ import annotations

import tempfile
from threading import Lock
from typing import IO


class Spool:
    """Bytes in a temporary file, which is gone with the data set that reads from it."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __del__
        self._lock = Lock()

    def __del__(self) -> None:
        self._file.close()

    def append(self, content: bytes) -> int:
        """Keep more bytes; returns where they are."""
        start = self._file.tell()
        self._file.write(content)
        return start

    def read(self, start: int, size: int) -> bytes:
        """Bytes that were kept."""
        with self._lock:
            self._file.seek(start)
            return self._file.read(size)
