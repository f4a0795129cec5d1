"""What lies below a folder, links followed: the same for what is read here and for what is packed to be sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from primesvt_client.errors import Unusable

HIDDEN = (".", "__MACOSX")
"""How names of files and folders begin that people do not see; macOS adds the second to the archives that it packs."""


Above = tuple[tuple[int, int], ...]
"""The folders above one, by device and number."""


@dataclass(frozen=True)
class Contents:
    """One folder below another, without what people do not see.

    Attributes:
        path: of the folder.
        folders: names of the folders in it, sorted.
        files: names of the files in it, sorted.
    """

    path: Path
    folders: tuple[str, ...]
    files: tuple[str, ...]


def is_hidden(name: str) -> bool:
    """Whether a file or folder of that name is one that people do not see: of the system, not of the data set."""
    return name.startswith(HIDDEN)


def walk(folder: Path) -> Iterator[Contents]:
    """The folder and all below it, each before those in it, in the order of their names.

    Raises:
        Unusable: a link leads to nothing, or back to a folder that it lies in; a folder cannot be read.
    """
    waiting: list[tuple[Path, Above]] = [(folder, ())]
    while waiting:
        path, above = waiting.pop()
        contents, here = _contents(path)
        if here in above:
            raise Unusable(f"{path} leads back, by a link, to a folder that it lies in; remove the link")
        yield contents
        waiting += [(path / name, (*above, here)) for name in reversed(contents.folders)]


def _contents(folder: Path) -> tuple[Contents, tuple[int, int]]:
    """What a folder holds, and which one it is, by whatever links it was reached."""
    try:
        status = folder.stat()
        with os.scandir(folder) as found:
            entries = sorted((entry for entry in found if not is_hidden(entry.name)), key=lambda entry: entry.name)
        for entry in entries:
            if entry.is_symlink() and not Path(entry.path).exists():
                raise Unusable(f"the link {entry.path} leads to nothing; remove it, or put back what it leads to")
        folders = tuple(entry.name for entry in entries if entry.is_dir())
        files = tuple(entry.name for entry in entries if entry.is_file())
    except OSError as error:
        raise Unusable(f"the folder {folder} cannot be read: {error}") from None
    return Contents(folder, folders, files), (status.st_dev, status.st_ino)
