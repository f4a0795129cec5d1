"""Which of the formats a path holds; found by content, whatever the file is called."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from primesvt_core.data import carried
from primesvt_core.data._base import DataSet, Part, refuse
from primesvt_core.data.arrays import from_cifar, from_idx, from_npz
from primesvt_core.data.images import SUFFIXES, from_folder, from_tar, from_zip

CIFAR_FOLDERS = ("cifar-10-batches-py", "cifar-100-python")
UNDERSTOOD = (
    "an ImageFolder folder or archive (.zip, .tar, .tar.gz, .tar.xz), an .npz with 'images' and 'labels',"
    " the MNIST family's IDX files, or CIFAR's python archive"
)


def open_data(path: Path, part: Part | None = None) -> DataSet:
    """Open a labelled data set.

    Args:
        path: a file or folder in one of the formats.
        part: training or test data, where the data set has both; test data unless said otherwise.

    Raises:
        DataError: with a stable ``error_code``, naming the file and what is wrong with it.
    """
    if not path.exists():
        raise refuse("data_format", f"there is no data set at {path}")
    try:
        return _open(path, part)
    except (
        OSError,
        EOFError,
        LZMAError,
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
    ) as error:
        raise refuse(
            "data_undecodable", f"{path.name} cannot be read ({error}); it may be cut short or damaged"
        ) from None


def _open(path: Path, part: Part | None, *, is_carried: bool = False) -> DataSet:
    if path.is_dir():
        return from_idx(path, part) if any(path.glob("*-idx3-ubyte*")) else from_folder(path, part)
    if carried.is_zip(path):
        return _open_archive(path, part, _zip_names(path), is_carried=is_carried)
    if _is_idx(path):
        return from_idx(path, part)
    if _is_tar(path):
        return _open_archive(path, part, _tar_names(path), is_carried=is_carried)
    raise refuse("data_format", f"{path.name} is no data set that PrimeSVT understands: {UNDERSTOOD}")


def _open_archive(path: Path, part: Part | None, names: Iterable[str], *, is_carried: bool) -> DataSet:
    """The first member that says what an archive is decides; one without any holds no images, which is told."""
    is_zip = carried.is_zip(path)
    for name in names:
        member = PurePosixPath(name)
        if is_zip and member.suffix == ".npy":
            return from_npz(path)
        if not is_zip and member.parts and member.parts[0] in CIFAR_FOLDERS:
            return from_cifar(path, part)
        if member.suffix.lower() in SUFFIXES:
            break
        if carried.is_carried(name) and not is_carried:
            opened = carried.from_carrier(path, lambda inner: _open(inner, part, is_carried=True))
            return replace(opened, name=path.name)
    return from_zip(path, part) if is_zip else from_tar(path, part)


def _zip_names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def _tar_names(path: Path) -> Iterator[str]:
    with tarfile.open(path, "r|*") as archive:
        yield from (member.name for member in archive)


def _is_idx(path: Path) -> bool:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return len(head) == 4 and head[:2] == b"\0\0" and head[3] in (1, 3, 4) and "idx" in path.name


def _is_tar(path: Path) -> bool:
    try:
        with tarfile.open(path, "r|*") as archive:
            return archive.next() is not None
    except (tarfile.TarError, OSError, EOFError, LZMAError, zlib.error):
        return False
