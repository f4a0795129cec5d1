"""A blob that comes in parts, as a folder: the file that it will be, and an empty file named after each part there."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from app.storage._base import CHUNK, BlobMissing, Parts

CONTENT = "content"
UNSUPPORTED = {errno.ENOSYS, errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL}


@dataclass(frozen=True)
class DraftFolder:
    """One draft. Who changes the content holds its lock, so that nobody does once it is finished."""

    parent: Path
    token: str

    @classmethod
    def make(cls, parent: Path, size: int) -> DraftFolder:
        """A new one. Its file has its full length at once but takes no room: announcing a file costs nothing."""
        folder = cls(parent, secrets.token_hex(16))
        folder.path.mkdir()
        with (folder.path / CONTENT).open("wb") as file:
            file.truncate(size)
        return folder

    @property
    def path(self) -> Path:
        return self.parent / self.token

    def place(self, part: BinaryIO, number: int, offset: int) -> None:
        """Copy a part to its place.

        Raises:
            BlobMissing: the draft was finished or abandoned.
        """
        with self._locked() as content:
            _copy(part, content, offset)
            try:
                (self.path / str(number)).touch()
            except FileNotFoundError:  # abandoned meanwhile
                raise BlobMissing(self.token) from None

    def numbers(self) -> frozenset[int]:
        """The parts that are there."""
        try:
            return frozenset(int(name) for name in os.listdir(self.path) if name != CONTENT)  # noqa: PTH208
        except FileNotFoundError:
            return frozenset()

    def finish(self, target: Path, parts: Parts) -> None:
        """Move the content to where the blob lies, and see that it reaches the disk.

        Raises:
            BlobMissing: a part is missing, or the draft was abandoned.
        """
        if target.is_file():  # finished before, and perhaps interrupted right then
            self.remove()
            return
        with self._locked() as content:
            missing = set(range(1, parts.count + 1)) - self.numbers()
            if missing:
                raise BlobMissing(f"part {min(missing)} of draft {self.token}")
            os.fsync(content.fileno())
            (self.path / CONTENT).replace(target)
        self.remove()

    def remove(self) -> None:
        """Forget it."""
        shutil.rmtree(self.path, ignore_errors=True)

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        path = self.path / CONTENT
        try:
            content = path.open("r+b")
        except FileNotFoundError:
            raise BlobMissing(self.token) from None
        with content:
            fcntl.flock(content, fcntl.LOCK_EX)
            if not path.exists():  # finished or abandoned while this waited
                raise BlobMissing(self.token)
            yield content


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
