"""A folder as one file that can be uploaded: an uncompressed tar, the same bytes for the same content."""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from primesvt_client.errors import ClientError, Unusable
from primesvt_client.folders import walk


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
    """Write the files below ``folder``, in order of their names and without owners and times, and its empty folders.

    Links are followed: what they lead to is packed.

    Raises:
        Unusable: there are no files, or a link leads to nothing or back.
        ClientError: one cannot be read.
    """
    found = [*walk(folder)]
    files = sorted(one.path / name for one in found for name in one.files)
    if not files:
        raise Unusable(f"the folder {folder} has no files")
    try:
        with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
            for file in files:
                _add(archive, file, file.relative_to(folder).as_posix())
            for empty in sorted(one.path for one in found if not one.files and not one.folders):
                archive.addfile(_entry(empty.relative_to(folder).as_posix(), tarfile.DIRTYPE))
    except OSError as error:
        raise ClientError(f"cannot pack {folder} into {target}: {error}") from None


def _add(archive: tarfile.TarFile, file: Path, name: str) -> None:
    with file.open("rb") as content:
        entry = _entry(name, tarfile.REGTYPE)
        entry.size = os.fstat(content.fileno()).st_size
        archive.addfile(entry, content)


def _entry(name: str, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    return entry
