"""Archives as a sequence of members; bounded in what they may unpack to, and never unpacked to names of their own."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from primesvt_core.data._base import readable, refuse

MAX_MEMBERS = 5_000_000
MAX_HEADER_BYTES = 1 << 20
"""Of a member's long name or its extended attributes, which tarfile reads into memory whole."""

FREE_BYTES = 1 << 30
MAX_GROWTH = 200
"""What unpacks to more than `FREE_BYTES` plus this many times its size is a decompression bomb: pictures hardly shrink
when they are packed, and event frames by a factor of a hundred at most."""

ENCRYPTED = 0x1


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file of an archive.

    Attributes:
        is_plain: whether it is a file with content of its own, not a link or a device.
        open: its content; of a tar only until the next member is read.
    """

    name: str
    size: int
    is_plain: bool
    open: Callable[[], IO[bytes]]


class _Entry(tarfile.TarInfo):
    """Refuses headers that would be read into memory without bound."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Entry:
        entry = super().frombuf(buf, encoding, errors)
        in_memory = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, *tarfile.GNU_TYPES)
        if entry.type in in_memory and entry.size > MAX_HEADER_BYTES:
            raise refuse("data_unsafe", f"the archive has a header of {entry.size:,} bytes; that is not accepted")
        return entry


def is_zip(path: Path) -> bool:
    """Whether a file is a zip archive from its first byte on; a tar whose last member is one ends like one."""
    with path.open("rb") as file:
        return file.read(2) == b"PK" and zipfile.is_zipfile(path)


def members(path: Path) -> Iterator[Member]:
    """The files of a tar or zip archive, in its order.

    Raises:
        DataError: if it declares more than is accepted.
        tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, LZMAError, zlib.error: if it is damaged.
    """
    count = total = 0
    packed = path.stat().st_size
    entries = _of_zip(path) if is_zip(path) else _of_tar(path)
    while member := _next(entries):
        count, total = count + 1, total + member.size
        if count > MAX_MEMBERS:
            raise refuse("data_unsafe", f"{path.name} holds more than {MAX_MEMBERS:,} files")
        check_growth(path.name, total, packed)
        yield member


def _next(entries: Iterator[Member]) -> Member | None:
    try:
        return next(entries, None)
    except (IndexError, TypeError, ValueError) as error:  # which the readers raise for some damaged archives
        raise tarfile.ReadError(str(error)) from None


def check_growth(name: str, size: int, packed: int) -> None:
    """Refuse what unpacks to far more than its size."""
    if size > FREE_BYTES + MAX_GROWTH * packed:
        raise refuse("data_unsafe", f"{name} has {packed:,} bytes and unpacks to {size:,} or more; it is not unpacked")


def _of_zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.flag_bits & ENCRYPTED:
                raise refuse("data_format", f"{entry.filename} in {path.name} is encrypted; pack it without a password")
            if not entry.is_dir():
                yield Member(
                    name=entry.orig_filename,  # the other one ends where a NUL is, for which other readers look not
                    size=entry.file_size,
                    is_plain=not stat.S_ISLNK(entry.external_attr >> 16),
                    open=lambda entry=entry: archive.open(entry),  # type: ignore[misc]
                )


def _of_tar(path: Path) -> Iterator[Member]:
    with tarfile.open(path, "r|*", tarinfo=_Entry) as archive:
        for entry in archive:
            archive.members.clear()  # type: ignore[attr-defined]  # or every member seen would be kept
            if not entry.isdir():
                yield Member(
                    name=readable(entry.name),
                    size=entry.size,
                    is_plain=entry.isreg() and not entry.issparse(),
                    open=lambda entry=entry: _content(archive, entry),  # type: ignore[misc]
                )


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(entry)
    if content is None:
        raise refuse("data_unsafe", f"{entry.name[:100]!r} in the archive is no plain file")
    return content
