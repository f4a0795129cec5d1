"""Archives that carry a data set's own files: a folder with IDX files, packed to be sent, is one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

from primesvt_client import folders
from primesvt_core.data._base import DataSet, refuse
from primesvt_core.data.files.archives import members
from primesvt_core.data.files.scratch import Room, told_full

IDX = re.compile(r"[-.]idx[13]-ubyte(\.gz)?$")
"""How the names of the MNIST family's files end; some copies have a dot before ``idx``."""

PARQUET = ".parquet"
"""How the names of files end of which several are one data set, as those of the MNIST family are."""

WHOLE = (".npz", ".zip", ".tar", ".tgz", ".txz", ".tar.gz", ".tar.xz", ".tar.bz2")
"""How names of files end that are a data set of their own."""

MAX_FILES = 32
MAX_BYTES = 64 << 30
DEEPEST = 8
"""Folders of a member's name that are kept, with its own."""

CHUNK = 1 << 20


def is_hidden(name: str) -> bool:
    """Whether a file is one that people do not see: of the system that packed it, not of the data set."""
    return any(map(folders.is_hidden, PurePosixPath(name).parts))


def is_idx(name: str) -> bool:
    """Whether a file is named like one of the MNIST family's."""
    return IDX.search(name) is not None and not is_hidden(name)


def is_carried(name: str) -> bool:
    """Whether a file is itself a data set, or a part of one."""
    return is_idx(name) or (name.lower().endswith((PARQUET, *WHOLE)) and not is_hidden(name))


def has_idx(files: Iterable[Path]) -> bool:
    """Whether some of the files are of the MNIST family."""
    return any(is_idx(file.name) for file in files)


def are_meant(files: Iterable[str], pictures: Iterable[str]) -> bool:
    """Whether a folder or archive of pictures and other data sets is read as the latter.

    IDX and Parquet files are, unless all of them lie deeper than some picture: beside them, pictures are illustrations
    or the same once more. A single file of another kind, such as the archive that the pictures came in, is not.

    Args:
        files: names of all data sets, with slashes.
        pictures: names of all pictures, likewise; at least one.
    """
    parts = [name for name in files if is_idx(name) or name.lower().endswith(PARQUET)]
    return bool(parts) and min(name.count("/") for name in parts) <= min(name.count("/") for name in pictures)


def the_only(name: str, files: Iterable[Path]) -> Path | None:
    """The one data set among files of which each is one, or the folder that IDX or Parquet files lie in or below; None
    if there are none.

    Raises:
        DataError: if they are several data sets.
    """
    given = [*files]
    idx = [file for file in given if is_idx(file.name)]
    parquet = [file for file in given if file.name.lower().endswith(PARQUET)]
    found = sorted({*given} - {*idx, *parquet})
    found += [Path(os.path.commonpath([file.parent for file in files])) for files in (idx, parquet) if files]
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise refuse("data_format", f"{name} holds several data sets ({names}); give one of them alone")
    return found[0] if found else None


def from_carrier(path: Path, open_inner: Callable[[Path], DataSet]) -> DataSet:
    """What an archive carries, taken out into a folder of our own for as long as it is being opened.

    Args:
        path: a tar or zip archive.
        open_inner: opens the one data set that was in it, a file or a folder with IDX files.

    Raises:
        ScratchFull: there is no room for them.
    """
    room = Room()
    with told_full(), TemporaryDirectory(prefix="primesvt-data-") as scratch:
        folder, left = Path(scratch) / path.name, MAX_BYTES
        folder.mkdir()
        files: list[Path] = []
        for member in members(path):
            if not (member.is_plain and is_carried(member.name)):
                continue
            target = folder / _harmless(member.name)
            if target.exists() or len(files) == MAX_FILES:
                raise refuse("data_format", f"{path.name} holds too many data sets; give one of them alone")
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source:
                left -= _copy(source, target, left, room)
            files.append(target)
        inner = the_only(path.name, files)
        if inner is None:
            raise refuse("data_unsafe", f"what {path.name} carries is no plain file")
        data = open_inner(inner)
    room.give_back()
    return data


def _harmless(name: str) -> Path:
    """Where a member goes below a folder of our own: its last folders tell parts of a data set apart."""
    parts = (re.sub(r"[^A-Za-z0-9._-]", "_", part)[-100:].lstrip(".") for part in PurePosixPath(name).parts)
    return Path(*[*filter(None, parts)][-DEEPEST:])


def _copy(source: IO[bytes], target: Path, at_most: int, room: Room) -> int:
    size = 0
    with target.open("wb") as file:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > at_most:
                raise refuse("data_unsafe", f"{target.name} in the archive grows beyond {MAX_BYTES:,} bytes")
            room.take(len(chunk))
            file.write(chunk)
    return size
