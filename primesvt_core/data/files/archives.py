"""Archives as a sequence of members; bounded in what they may unpack to, and never unpacked to names of their own."""

from __future__ import annotations

import stat
import struct
import tarfile
import zipfile
import zlib
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
UTF8 = 0x800
"""Flags of a zip archive's entries."""

UNICODE_PATH, EXTRA_HEAD = 0x7075, 4


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file of an archive.

    Attributes:
        is_plain: whether it is a file with content of its own, not a link or a device.
        open: its content; of a tar only until the next member is read.
        link: of a hard link in a tar, the member before it whose content it has.
        is_folder: whether it is a folder.
    """

    name: str
    size: int
    is_plain: bool
    open: Callable[[], IO[bytes]]
    link: str = ""
    is_folder: bool = False


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


def members(path: Path, *, with_folders: bool = False) -> Iterator[Member]:
    """The files of a tar or zip archive, in its order, and perhaps its folders.

    Raises:
        DataError: if it declares more than is accepted, or has names that cannot be read.
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
        if with_folders or not member.is_folder:
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
        for entry, name in zip_names(path.name, archive).items():
            if entry.flag_bits & ENCRYPTED:
                raise refuse("data_format", f"{name} in {path.name} is encrypted; pack it without a password")
            yield Member(
                name=name,
                size=entry.file_size,
                is_plain=not name.endswith("/") and not stat.S_ISLNK(entry.external_attr >> 16),
                open=lambda entry=entry: archive.open(entry),  # type: ignore[misc]
                is_folder=name.endswith("/"),
            )


def zip_names(path: str, archive: zipfile.ZipFile) -> dict[zipfile.ZipInfo, str]:
    """The entries of a zip archive with their names: separated by slashes, those of folders with one at the end.

    Backslashes separate if nothing else does: so Windows PowerShell 5 packs.

    Args:
        path: name of the archive, for messages.
        archive: opened.

    Raises:
        DataError: a name is not UTF-8, and nothing says what it is.
    """
    names = {entry: _zip_name(path, entry) for entry in archive.infolist()}
    if not any("/" in name for name in names.values()):
        return {entry: name.replace("\\", "/") for entry, name in names.items()}
    return names


def _zip_name(path: str, entry: zipfile.ZipInfo) -> str:
    """The whole name, also behind a NUL, where zipfile's own ends, but not that of other readers.

    Packers that leave the flag out write the names of their system: most of them UTF-8, some a code page that nobody
    knows afterwards.
    """
    try:
        return _told_name(entry) or _raw_name(entry).decode()
    except UnicodeDecodeError:
        raise refuse(
            "data_format",
            f"the name {entry.orig_filename[:100]!r} in {path} is not UTF-8, and nothing says what it is; pack it again"
            " with names in UTF-8",
        ) from None


def is_guessed(entry: zipfile.ZipInfo) -> bool:
    """Whether a name in a zip archive is UTF-8 only because most are."""
    return not _told_name(entry)


def _told_name(entry: zipfile.ZipInfo) -> str:
    """The name, if it means the same to every reader; empty otherwise."""
    if entry.flag_bits & UTF8 or entry.orig_filename.isascii():
        return entry.orig_filename
    return _unicode_path(entry.extra, _raw_name(entry))


def _raw_name(entry: zipfile.ZipInfo) -> bytes:
    """As it is written; zipfile reads it as code page 437, which has a character for every byte."""
    return entry.orig_filename.encode("cp437")


def _unicode_path(extra: bytes, raw: bytes) -> str:
    """The name in Info-ZIP's extra field 0x7075, if it is of this name; empty if there is none.

    Source: APPNOTE.TXT of PKWARE, 4.6.9.
    """
    while len(extra) >= EXTRA_HEAD:
        kind, size = struct.unpack_from("<HH", extra)
        content, extra = extra[EXTRA_HEAD : EXTRA_HEAD + size], extra[EXTRA_HEAD + size :]
        if kind == UNICODE_PATH and content[:5] == b"\1" + struct.pack("<I", zlib.crc32(raw)):
            return content[5:].decode()
    return ""


def _of_tar(path: Path) -> Iterator[Member]:
    with tarfile.open(path, "r|*", tarinfo=_Entry) as archive:
        for entry in archive:
            archive.members.clear()  # type: ignore[attr-defined]  # or every member seen would be kept
            yield Member(
                name=readable(entry.name),
                size=entry.size,
                is_plain=entry.isreg() and not entry.issparse(),
                open=lambda entry=entry: _content(archive, entry),  # type: ignore[misc]
                link=readable(entry.linkname) if entry.islnk() else "",
                is_folder=entry.isdir(),
            )


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(entry)
    if content is None:
        raise refuse("data_unsafe", f"{entry.name[:100]!r} in the archive is no plain file")
    return content
