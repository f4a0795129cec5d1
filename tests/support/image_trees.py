"""Small pictures in folders and archives, by the names that they should have."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from PIL import Image

Names = Iterable[str]


def picture(shade: int = 0) -> bytes:
    """A PNG of one pixel."""
    buffer = io.BytesIO()
    Image.new("L", (1, 1), shade % 256).save(buffer, "PNG")
    return buffer.getvalue()


def contents(names: Names, texts: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """Every name with another picture; ``texts`` are other files."""
    found = {name: picture(number) for number, name in enumerate(names)}
    return found | {name: text.encode() for name, text in (texts or {}).items()}


def tree(root: Path, names: Names, texts: Mapping[str, str] | None = None, empty: Names = ()) -> Path:
    """A folder with such files, and empty folders."""
    for name, content in contents(names, texts).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    for name in empty:
        (root / name).mkdir(parents=True)
    return root


class _Raw(zipfile.ZipInfo):
    """An entry whose name is written in an encoding of its own, without the flag that says UTF-8."""

    def __init__(self, raw: bytes) -> None:
        super().__init__("x")
        self.raw, self.filename = raw, raw.decode("cp437")

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.raw, self.flag_bits & ~0x800


def zip_tree(path: Path, names: Names, encoding: str | None = None, *, extra: bytes = b"") -> Path:
    """A zip of such files; with an encoding, names are written in it, unflagged."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents(names).items():
            entry = zipfile.ZipInfo(name) if encoding is None else _Raw(name.encode(encoding))
            entry.extra = extra
            archive.writestr(entry, content)
    return path


def tar_tree(path: Path, names: Names, links: Mapping[str, str] | None = None, folders: Names = ()) -> Path:
    """A tar of such files, hard links to them, and empty folders."""
    with tarfile.open(path, "w") as archive:
        for name, content in contents(names).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.LNKTYPE, target
            archive.addfile(entry)
        for name in folders:
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
    return path
