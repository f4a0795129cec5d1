"""The MNIST family's IDX files: images and labels in files of their own, each perhaps there twice."""

from __future__ import annotations

import gzip
import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from primesvt_core.data._base import DataSet, Part, refuse
from primesvt_core.data.files.archives import check_growth
from primesvt_core.data.files.carried import is_idx
from primesvt_core.data.formats.array_files import MAX_ARRAY_BYTES
from primesvt_core.data.formats.arrays import array_set, channels_last, some, unlabelled_set
from primesvt_core.data.parts.parts import instead
from primesvt_core.data.unlabelled import HINT

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
CHUNK = 1 << 20
MOST_DIMENSIONS = 4
PACKED = ".gz"


def from_idx(path: Path, part: Part | None, *, may_lack_labels: bool = False) -> DataSet:
    """The images and labels of one part.

    Args:
        path: a folder with the files, somewhere below it, or one of the files with its mate beside it.
        part: training or test data, where the folder has both; test data by default. Of a folder that has the other
            part alone, that one.
        may_lack_labels: whether images alone do.

    Raises:
        DataError: if the files are damaged, of several data sets, or one of the two is missing.
    """
    images = _images_below(path, part) if path.is_dir() else _sibling(path, "images") or path
    labels = (_sibling(images, "labels", path) if path.is_dir() else None) or _sibling(images, "labels")
    if "idx3" not in images.name or (labels is None and not may_lack_labels):
        mate = _mate(images.name, "labels" if "idx3" in images.name else "images")
        mate += PACKED if images.suffix == PACKED else ""
        hint = HINT if "idx3" in images.name else ""
        raise refuse("data_format", f"{mate} is missing beside {path.name}; images and labels belong together{hint}")
    pixels = _array(images)
    if pixels.ndim not in (3, 4):
        raise refuse("data_format", f"{images.name} has {pixels.ndim} dimensions; pictures have 3 or 4")
    notes = instead(path.name, "train" if "train" in images.name else "test", part) if path.is_dir() else ()
    if labels is None:
        return unlabelled_set(images.name, pixels, notes)
    return array_set(images.name, channels_last(images.name, pixels), _array(labels), "images", notes=notes)


def _files_below(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder, followlinks=True):
        yield from (Path(where, name) for name in names if is_idx(name))


def _images_below(folder: Path, part: Part | None) -> Path:
    """The images file of the part that is wanted."""
    called: dict[str, list[Path]] = {}
    for file in _files_below(folder):
        if "idx3" in file.name:
            called.setdefault(_plain(file.name), []).append(file)
    training = [name for name in called if "train" in name]
    others = [name for name in called if name not in training]
    wanted = (training or others) if part == "train" else (others or training)
    if len(wanted) != 1:
        names = ", ".join(sorted(wanted)) or "none"
        raise refuse("data_format", f"{folder.name} should hold one IDX file with images of a part; there are: {names}")
    return _the_same(called[wanted[0]])


def _sibling(file: Path, role: str, folder: Path | None = None) -> Path | None:
    """The file with the images or labels that belong to another: below the folder that was given, otherwise beside it,
    or, where unpacking has put each into a folder of its own name, in that of the other.
    """
    wanted = _mate(file.name, role)
    if folder is not None:
        near: Iterable[Path] = _files_below(folder)
    else:
        apart = [where for where in _listed(file.parent.parent) if where.is_dir() and _plain(where.name) == wanted]
        near = (one for where in (file.parent, *apart) for one in _listed(where))
    found = [one for one in near if _plain(one.name) == wanted and one.is_file()]
    return _the_same(found) if found else None


def _listed(folder: Path) -> list[Path]:
    try:
        return [*folder.iterdir()]
    except OSError:  # which may be looked for, and need not be ours to see
        return []


def _plain(name: str) -> str:
    """A file's name as published: not packed, with a dash before ``idx``."""
    return name.removesuffix(PACKED).replace(".idx", "-idx")


def _mate(name: str, role: str) -> str:
    """How the file with the images or the labels of a part is called, by the name of one of the two."""
    dimensions = {"images": "3", "labels": "1"}[role]
    return re.sub(r"idx[13]", f"idx{dimensions}", re.sub("images|labels", role, _plain(name)))


def _the_same(files: list[Path]) -> Path:
    """One of several copies of a file, plain before packed.

    Raises:
        DataError: if they differ.
    """
    first, *others = sorted(files, key=lambda file: (file.suffix == PACKED, len(file.parts), file.name))
    for other in others:
        if not _equal(first, other):
            raise refuse(
                "data_format",
                f"{first.name} is there {len(files)} times, and the contents differ ({some(map(str, files))}); keep the"
                " right one",
            )
    return first


def _equal(one: Path, other: Path) -> bool:
    with _opened(one) as ours, _opened(other) as theirs:
        while (content := ours.read(CHUNK)) == theirs.read(CHUNK):
            if not content:
                return True
    return False


def _opened(path: Path) -> gzip.GzipFile | IO[bytes]:
    return gzip.open(path) if path.suffix == PACKED else path.open("rb")


def _array(path: Path) -> NDArray[Any]:
    try:
        with _opened(path) as file:
            zero, code, dimensions = struct.unpack(">HBB", file.read(4))
            if zero or code not in TYPES or not 1 <= dimensions <= MOST_DIMENSIONS:
                raise refuse("data_format", f"{path.name} is no IDX file")
            shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
            dtype = np.dtype(TYPES[code])
            size = int(np.prod(shape, dtype=object)) * dtype.itemsize
            if size > MAX_ARRAY_BYTES:
                raise refuse("data_unsafe", f"{path.name} declares {size:,} bytes, more than is accepted")
            check_growth(path.name, size, path.stat().st_size)
            content = _exactly(file, size)
            more = file.read(1)
    except (OSError, EOFError, struct.error, zlib.error) as error:
        raise refuse("data_undecodable", f"{path.name} cannot be read ({error}); it may be cut short") from None
    if len(content) != size:
        raise refuse("data_undecodable", f"{path.name} is cut short: {len(content):,} of {size:,} bytes")
    if more:
        raise refuse("data_format", f"{path.name} holds more than the {size:,} bytes that it declares")
    return np.frombuffer(content, dtype).reshape(shape)


def _exactly(file: gzip.GzipFile | IO[bytes], size: int) -> bytes:
    """Up to ``size`` bytes, grown as they come: what a file declares is not allocated before it is there."""
    content = bytearray()
    while len(content) < size and (chunk := file.read(min(CHUNK, size - len(content)))):
        content += chunk
    return bytes(content)
