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

from app.storage._base import (
    CHUNK,
    FULL,
    BlobMissing,
    MultipartUpload,
    Parts,
    SavedAs,
    StoredBlob,
    StoreFull,
    StoreUnavailable,
    check_key,
)
from app.storage.multipart import MultipartFolder

MULTIPART = "drafts"
"""Folder of multipart uploads; processes of earlier versions use it, too."""

ROOM_TO_LEAVE = 64 << 20
"""Free space below which the store calls itself not ready, bytes: not even the database may find room then."""

ABANDONED_SECONDS = 86_400.0
"""A blob that nobody has written to for so long was left by a process that is gone."""


class LocalStore:
    """Every blob a file; written beside its place and renamed, so that it is there whole or not at all."""

    def __init__(self, root: Path, keep_free_bytes: int = 0) -> None:
        """Keep blobs below ``root``, and ``keep_free_bytes`` of its disk free for everything else."""
        self.root, self.keep_free_bytes = root, keep_free_bytes
        for name in ("incoming", MULTIPART):
            (root / name).mkdir(parents=True, exist_ok=True)
        self._clear_incoming()

    def put(self, key: str, chunks: Iterable[bytes]) -> StoredBlob:
        target = self._path(key)
        digest, size = hashlib.sha256(), 0
        with self._incoming() as (file, path):
            for chunk in self._bounded(chunks):
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
        except OSError as error:
            raise StoreUnavailable(error.errno, error.strerror, str(path)) from error
        with file, self._on_disk():
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

    def plan_parts(self, size: int, part_bytes: int) -> Parts:
        return Parts(size, part_bytes)

    def create_multipart(self, key: str, parts: Parts) -> MultipartUpload:
        with self._on_disk():
            self._check_room()
            return MultipartUpload(check_key(key), MultipartFolder.make(self.root / MULTIPART, parts.size).token)

    def put_part(self, upload: MultipartUpload, parts: Parts, number: int, chunks: Iterable[bytes]) -> None:
        folder = self._folder(upload)
        with self._on_disk(), folder.claimed(number) as is_first:
            if is_first:
                folder.write(number, parts.offset(number), self._bounded(chunks))
                return
        with self._incoming() as (file, path):  # only what has arrived whole replaces what is there
            for chunk in self._bounded(chunks):
                file.write(chunk)
            file.flush()
            folder.place(file, number, parts.offset(number))
            path.unlink()

    def list_parts(self, upload: MultipartUpload, parts: Parts) -> frozenset[int]:
        return self._folder(upload).numbers()

    def complete_multipart(self, upload: MultipartUpload, parts: Parts) -> None:
        target = self._path(upload.key)
        with self._on_disk():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._folder(upload).complete(target, parts)

    def abort_multipart(self, upload: MultipartUpload) -> None:
        self._folder(upload).remove()

    def list_multipart(self, created_before: datetime) -> Iterator[MultipartUpload]:
        for folder in (self.root / MULTIPART).iterdir():
            with suppress(FileNotFoundError):  # completed meanwhile
                if folder.stat().st_mtime < created_before.timestamp():
                    yield MultipartUpload("", folder.name)

    def presigned_part_url(self, upload: MultipartUpload, parts: Parts, number: int, seconds: int) -> str | None:
        return None

    def presigned_url(self, key: str, saved_as: SavedAs, seconds: int) -> str | None:
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
        with self._on_disk():
            descriptor, name = tempfile.mkstemp(dir=self.root / "incoming")
        path = Path(name)
        try:
            with self._on_disk(), os.fdopen(descriptor, "w+b") as file:
                yield file, path
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def _bounded(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same chunks, as long as there is more room than is kept free."""
        for chunk in chunks:
            self._check_room()
            yield chunk

    def _check_room(self) -> None:
        """Raises: StoreFull: less is free than is kept free."""
        if shutil.disk_usage(self.root).free < self.keep_free_bytes:
            raise StoreFull(
                errno.ENOSPC, f"{self.root} has less than the {self.keep_free_bytes:,} bytes free that are kept free"
            )

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        """Tells a full disk from other faults, and names the place: a failed write knows no path.

        Raises:
            StoreFull: there is no room left.
            StoreUnavailable: the disk refuses or fails.
        """
        try:
            yield
        except OSError as error:
            if isinstance(error, StoreFull | StoreUnavailable) or error.errno is None:  # of whoever sends the bytes
                raise
            if error.errno in FULL:
                raise StoreFull(error.errno, f"there is no room left in {self.root}") from error
            raise StoreUnavailable(error.errno, error.strerror, error.filename or str(self.root)) from error

    def _clear_incoming(self) -> None:
        """Delete what processes that were killed have left; who still writes has written lately."""
        for path in (self.root / "incoming").iterdir():
            with suppress(FileNotFoundError):  # finished meanwhile, or another process clears too
                if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                    path.unlink()

    def _folder(self, upload: MultipartUpload) -> MultipartFolder:
        return MultipartFolder(self.root / MULTIPART, upload.token)

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)
