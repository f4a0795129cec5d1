"""A blob that comes in parts, as a folder: the file that it will be, and an empty file named after each part there."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from app.storage._base import CHUNK, BlobMissing, Parts

CONTENT, WRITING = "content", ".writing"
UNSUPPORTED = {errno.ENOSYS, errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL}


@dataclass(frozen=True)
class MultipartFolder:
    """One multipart upload.

    Who changes the content holds its lock: writers of new parts share it, all others have it alone.
    """

    parent: Path
    token: str

    @classmethod
    def make(cls, parent: Path, size: int) -> MultipartFolder:
        """A new one. Its file has its full length at once but takes no room: announcing a file costs nothing."""
        folder = cls(parent, secrets.token_hex(16))
        folder.path.mkdir()
        with (folder.path / CONTENT).open("wb") as file:
            file.truncate(size)
        return folder

    @property
    def path(self) -> Path:
        return self.parent / self.token

    @contextmanager
    def claimed(self, number: int) -> Iterator[bool]:
        """Whether a part may be written straight to its place: it is not there, and nobody else writes it meanwhile.

        Who dies while writing leaves the claim; the part then comes by `place`.

        Raises:
            BlobMissing: the upload was completed or aborted.
        """
        claim = self.path / f"{number}{WRITING}"
        try:
            claim.touch(exist_ok=False)
        except FileNotFoundError:
            raise BlobMissing(self.token) from None
        except FileExistsError:
            yield False
            return
        try:
            yield not self._mark(number).exists()
        finally:
            claim.unlink(missing_ok=True)

    def write(self, number: int, offset: int, chunks: Iterable[bytes]) -> None:
        """Write a claimed part to its place, unless somebody else places it meanwhile.

        Raises:
            BlobMissing: the upload was completed or aborted.
        """
        with self._opened() as content:
            content.seek(offset)
            for chunk in chunks:
                with self._locked(content, fcntl.LOCK_SH):
                    if not self._mark(number).exists():
                        content.write(chunk)
                        content.flush()
            _send_to_disk(content, offset)
            with self._locked(content, fcntl.LOCK_SH):
                self._note(number)

    def place(self, part: BinaryIO, number: int, offset: int) -> None:
        """Copy a part that has arrived whole to its place.

        Raises:
            BlobMissing: the upload was completed or aborted.
        """
        with self._opened() as content, self._locked(content, fcntl.LOCK_EX):
            _copy(part, content, offset)
            self._note(number)

    def numbers(self) -> frozenset[int]:
        """The parts that are there."""
        try:
            return frozenset(int(name) for name in os.listdir(self.path) if name.isdecimal())  # noqa: PTH208
        except FileNotFoundError:
            return frozenset()

    def complete(self, target: Path, parts: Parts) -> None:
        """Move the content to where the blob lies, and see that it reaches the disk.

        Raises:
            BlobMissing: a part is missing, or the upload was aborted.
        """
        if target.is_file():  # completed before, and perhaps interrupted right then
            self.remove()
            return
        with self._opened() as content, self._locked(content, fcntl.LOCK_EX):
            missing = set(range(1, parts.count + 1)) - self.numbers()
            if missing:
                raise BlobMissing(f"part {min(missing)} of multipart upload {self.token}")
            os.fsync(content.fileno())
            (self.path / CONTENT).replace(target)
        self.remove()

    def remove(self) -> None:
        """Forget it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _mark(self, number: int) -> Path:
        return self.path / str(number)

    def _note(self, number: int) -> None:
        try:
            self._mark(number).touch()
        except FileNotFoundError:  # aborted meanwhile
            raise BlobMissing(self.token) from None

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            content = (self.path / CONTENT).open("r+b")
        except FileNotFoundError:
            raise BlobMissing(self.token) from None
        with content:
            yield content

    @contextmanager
    def _locked(self, content: BinaryIO, kind: int) -> Iterator[None]:
        """Nobody completes or replaces anything meanwhile."""
        fcntl.flock(content, kind)
        try:
            if not (self.path / CONTENT).exists():  # completed or aborted
                raise BlobMissing(self.token)
            yield
        finally:
            fcntl.flock(content, fcntl.LOCK_UN)


def _send_to_disk(content: BinaryIO, offset: int) -> None:
    """Have what was written from ``offset`` on go to the disk while further parts arrive; `complete` waits for it.

    That pages are not needed any more is the advice that makes Linux write them now; those being written it keeps.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(content.fileno(), offset, content.tell() - offset, os.POSIX_FADV_DONTNEED)


def _copy(source: BinaryIO, target: BinaryIO, offset: int) -> None:
    done, size = 0, os.fstat(source.fileno()).st_size
    try:
        while done < size:  # in the kernel; file systems that can do so share the blocks
            done += os.copy_file_range(source.fileno(), target.fileno(), size - done, done, offset + done)
    except (AttributeError, OSError) as error:  # not on this system, or not on this file system
        if isinstance(error, OSError) and error.errno not in UNSUPPORTED:
            raise
        source.seek(0)
        target.seek(offset)
        shutil.copyfileobj(source, target, CHUNK)
        target.flush()
