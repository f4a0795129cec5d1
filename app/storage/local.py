"""Blobs as files of a folder."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from app.storage._base import CHUNK, BlobMissing, Draft, Parts, SavedAs, StoredBlob, StoreFull, check_key
from app.storage.multipart import DraftFolder

ROOM_TO_LEAVE = 64 << 20
"""Free space below which the store calls itself not ready, bytes."""

ABANDONED_SECONDS = 86_400.0
"""A blob that nobody has written to for so long was left by a process that is gone."""

FULL = {errno.ENOSPC, errno.EDQUOT}


class LocalStore:
    """Every blob a file; written beside its place and renamed, so that it is there whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("incoming", "drafts"):
            (root / name).mkdir(parents=True, exist_ok=True)
        self._clear_incoming()

    def put(self, key: str, chunks: Iterable[bytes]) -> StoredBlob:
        target = self._path(key)
        digest, size = hashlib.sha256(), 0
        with self._incoming() as (file, path):
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            file.flush()
            os.fsync(file.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
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

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def cut(self, size: int, part_bytes: int) -> Parts:
        return Parts(size, part_bytes)

    def begin(self, key: str, parts: Parts) -> Draft:
        return Draft(check_key(key), DraftFolder.make(self.root / "drafts", parts.size).token)

    def put_part(self, draft: Draft, parts: Parts, number: int, chunks: Iterable[bytes]) -> None:
        folder = self._folder(draft)
        with self._roomy(), folder.claimed(number) as is_first:
            if is_first:
                folder.write(number, parts.offset(number), chunks)
                return
        with self._incoming() as (file, path):  # only what has arrived whole replaces what is there
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            folder.place(file, number, parts.offset(number))
            path.unlink()

    def arrived(self, draft: Draft, parts: Parts) -> frozenset[int]:
        return self._folder(draft).numbers()

    def finish(self, draft: Draft, parts: Parts) -> None:
        target = self._path(draft.key)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._folder(draft).finish(target, parts)

    def abandon(self, draft: Draft) -> None:
        self._folder(draft).remove()

    def drafts(self, begun_before: datetime) -> Iterator[Draft]:
        for folder in (self.root / "drafts").iterdir():
            with suppress(FileNotFoundError):  # finished meanwhile
                if folder.stat().st_mtime < begun_before.timestamp():
                    yield Draft("", folder.name)

    def part_address(self, draft: Draft, parts: Parts, number: int, seconds: int) -> str | None:
        return None

    def address(self, key: str, saved_as: SavedAs, seconds: int) -> str | None:
        return None

    def public_origin(self) -> str:
        return ""

    def local_path(self, key: str) -> Path | None:
        return self._path(key)

    def is_ready(self) -> bool:
        return shutil.disk_usage(self.root).free > ROOM_TO_LEAVE

    @contextmanager
    def _incoming(self) -> Iterator[tuple[BinaryIO, Path]]:
        """A file beside the blobs; gone afterwards, unless it was moved to its place."""
        descriptor, name = tempfile.mkstemp(dir=self.root / "incoming")
        path = Path(name)
        try:
            with self._roomy(), os.fdopen(descriptor, "w+b") as file:
                yield file, path
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    @contextmanager
    def _roomy(self) -> Iterator[None]:
        """Tells a full disk from other faults."""
        try:
            yield
        except OSError as error:
            if error.errno in FULL:
                raise StoreFull(error.errno, f"there is no room left in {self.root}") from error
            raise

    def _clear_incoming(self) -> None:
        """Delete what processes that were killed have left; who still writes has written lately."""
        for path in (self.root / "incoming").iterdir():
            with suppress(FileNotFoundError):  # finished meanwhile, or another process clears too
                if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                    path.unlink()

    def _folder(self, draft: Draft) -> DraftFolder:
        return DraftFolder(self.root / "drafts", draft.token)

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)
