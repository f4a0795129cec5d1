"""Archives that carry a data set's own files: a folder with IDX files, packed to be sent, is one."""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

from primesvt_core.data._base import DataSet, refuse

CARRIED = re.compile(r"[A-Za-z0-9._-]+(-idx[13]-ubyte(\.gz)?|\.npz|\.tar(\.gz|\.xz)?|\.tgz|\.zip)")
"""Names of files that are taken out of an archive; they are letters, digits, dots and dashes only."""

MAX_FILES = 16
MAX_BYTES = 64 << 30
CHUNK = 1 << 20

Members = Iterator[tuple[str, IO[bytes]]]


def is_carried(member: str) -> bool:
    """Whether a member of an archive is itself a data set, or a part of one."""
    return CARRIED.fullmatch(PurePosixPath(member).name) is not None


def is_zip(path: Path) -> bool:
    """Whether a file is a zip archive from its first byte on; a tar whose last member is one ends like one."""
    with path.open("rb") as file:
        return file.read(2) == b"PK" and zipfile.is_zipfile(path)


def from_carrier(path: Path, open_inner: Callable[[Path], DataSet]) -> DataSet:
    """What an archive carries, taken out into a folder of our own for as long as it is being opened.

    Args:
        path: a tar or zip archive.
        open_inner: opens the one data set that was in it, a file or a folder with IDX files.
    """
    with TemporaryDirectory(prefix="primesvt-data-") as scratch:
        folder, left = Path(scratch) / "carried", MAX_BYTES
        files: list[Path] = []
        folder.mkdir()
        for member, source in _members(path):
            target = folder / PurePosixPath(member).name
            if target.exists() or len(files) == MAX_FILES:
                raise refuse("data_unsafe", f"{path.name} carries too many data sets; pack one of them alone")
            left -= _copy(source, target, left)
            files.append(target)
        others = [file for file in files if "-idx" not in file.name]
        if len(others) > 1 or (others and len(files) > 1):
            names = ", ".join(file.name for file in files)
            raise refuse("data_format", f"{path.name} carries several data sets ({names}); pack one of them alone")
        return open_inner(others[0] if others else folder)


def _members(path: Path) -> Members:
    if is_zip(path):
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if is_carried(entry.filename):
                    with archive.open(entry) as source:
                        yield entry.filename, source
        return
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() and is_carried(member.name) else None
            if content is not None:
                yield member.name, content


def _copy(source: IO[bytes], target: Path, at_most: int) -> int:
    size = 0
    with target.open("wb") as file:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > at_most:
                raise refuse("data_unsafe", f"{target.name} in the archive grows beyond {MAX_BYTES:,} bytes")
            file.write(chunk)
    return size
