"""Blobs as files of a folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from app.storage._base import CHUNK, BlobMissing, StoredBlob, check_key

ROOM_TO_LEAVE = 64 << 20
"""Free space below which the store calls itself not ready, bytes."""

ABANDONED_SECONDS = 86_400.0
"""A blob that nobody has written to for so long was left by a process that is gone."""


class LocalStore:
    """Every blob a file; written beside its place and renamed, so that it is there whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "incoming").mkdir(parents=True, exist_ok=True)
        self._clear_incoming()

    def put(self, key: str, chunks: Iterable[bytes]) -> StoredBlob:
        target = self._path(key)
        digest, size = hashlib.sha256(), 0
        descriptor, name = tempfile.mkstemp(dir=self.root / "incoming")
        try:
            with os.fdopen(descriptor, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
                file.flush()
                os.fsync(file.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return StoredBlob(size, digest.hexdigest())

    def open(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        path = self._path(key)
        if not path.is_file():
            raise BlobMissing(key)
        return self._read(path, start, length)

    def _read(self, path: Path, start: int, length: int | None) -> Iterator[bytes]:
        try:
            file = path.open("rb")
        except FileNotFoundError:  # deleted since it was asked for
            raise BlobMissing(path.name) from None
        with file:
            left = os.fstat(file.fileno()).st_size - start if length is None else length
            file.seek(start)
            while left > 0 and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk

    def size(self, key: str) -> int | None:
        path = self._path(key)
        return path.stat().st_size if path.is_file() else None

    def compose(self, key: str, parts: Sequence[str]) -> StoredBlob:
        stored = self.put(key, (chunk for part in parts for chunk in self.open(part)))
        for part in parts:
            self.delete(part)
        return stored

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def local_path(self, key: str) -> Path | None:
        return self._path(key)

    def is_ready(self) -> bool:
        return shutil.disk_usage(self.root).free > ROOM_TO_LEAVE

    def _clear_incoming(self) -> None:
        """Delete what processes that were killed have left; who still writes has written lately."""
        for path in (self.root / "incoming").iterdir():
            with suppress(FileNotFoundError):  # finished meanwhile, or another process clears too
                if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                    path.unlink()

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)
