"""A folder as one file that can be uploaded: an uncompressed tar, the same bytes for the same content."""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from primesvt_client.errors import ClientError, Unusable


@contextmanager
def as_file(path: Path) -> Iterator[tuple[Path, str]]:
    """A file, and the name to upload it under; of a folder a temporary archive, gone afterwards.

    Raises:
        Unusable: there is no such file, or the folder has no files.
    """
    if path.is_file():
        yield path, path.name
        return
    if not path.is_dir():
        raise Unusable(f"there is no file or folder {path}")
    with tempfile.TemporaryDirectory(prefix="primesvt-") as scratch:
        name = f"{path.resolve().name or 'folder'}.tar"
        packed = Path(scratch) / name
        pack(path, packed)
        yield packed, name


def pack(folder: Path, target: Path) -> None:
    """Write the files below ``folder``, in order of their names and without owners and times.

    Raises:
        Unusable: there are none.
        ClientError: one cannot be read.
    """
    files = sorted(_files(folder))
    if not files:
        raise Unusable(f"the folder {folder} has no files")
    try:
        with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
            for file in files:
                _add(archive, file, file.relative_to(folder).as_posix())
    except OSError as error:
        raise ClientError(f"cannot pack {folder} into {target}: {error}") from None


def _files(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(here, name)
            if not name.startswith(".") and file.is_file():
                yield file


def _add(archive: tarfile.TarFile, file: Path, name: str) -> None:
    with file.open("rb") as content:
        entry = tarfile.TarInfo(name)
        entry.size = os.fstat(content.fileno()).st_size
        archive.addfile(entry, content)
