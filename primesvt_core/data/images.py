"""ImageFolder layout: one folder a class, from a folder or an archive that is never unpacked."""

from __future__ import annotations

import hashlib
import stat
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from primesvt_core.data._base import DataSet, Part, refuse

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".tif", ".tiff"}
PARTS: Mapping[Part, tuple[str, ...]] = {"test": ("test", "val", "valid", "validation"), "train": ("train", "training")}
MAX_FILES = 5_000_000
MAX_FILE_BYTES = 64 << 20
MAX_TOTAL_BYTES = 400 << 30
MAX_PIXELS = 64_000_000

Read = Callable[[str], bytes]


def from_folder(path: Path, part: Part | None) -> DataSet:
    """A folder with one folder a class, perhaps below ``train`` and ``test``."""
    names = [file.relative_to(path).as_posix() for file in sorted(path.rglob("*")) if file.is_file()]

    def read(name: str) -> bytes:
        return (path / name).read_bytes()

    return _image_set(path.name, names, read, part, lambda used: _digest_of(used, read))


def from_zip(path: Path, part: Part | None) -> DataSet:
    """A zip archive in the same layout."""
    archive, lock = zipfile.ZipFile(path), Lock()
    entries = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}
    for name, entry in entries.items():
        _check_member(name, entry.file_size, is_plain=not stat.S_ISLNK(entry.external_attr >> 16))
    _check_total(len(entries), sum(entry.file_size for entry in entries.values()))

    def read(name: str) -> bytes:
        with lock:
            return archive.read(entries[name])

    def digest(used: Iterable[str]) -> str:
        return _digest_lines(f"{name} {entries[name].file_size} {entries[name].CRC}" for name in used)

    return _image_set(path.name, list(entries), read, part, digest)


class _Spool:
    """Bytes in a temporary file, which is gone with the data set that reads from it."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __del__
        self._lock = Lock()

    def __del__(self) -> None:
        self._file.close()

    def append(self, content: bytes) -> int:
        """Keep more bytes; returns where they are."""
        start = self._file.tell()
        self._file.write(content)
        return start

    def read(self, start: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            return self._file.read(size)


def from_tar(path: Path, part: Part | None) -> DataSet:
    """A tar archive, compressed or not, in the same layout; read once, front to back, into one temporary file."""
    spool = _Spool()
    places: dict[str, tuple[int, int, str]] = {}
    total = 0
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            if member.isdir():
                continue
            _check_member(member.name, member.size, is_plain=member.isreg())
            total += member.size
            _check_total(len(places), total)
            if PurePosixPath(member.name).suffix.lower() not in SUFFIXES:
                continue
            source = archive.extractfile(member)
            content = source.read() if source else b""
            places[member.name] = (spool.append(content), len(content), hashlib.sha256(content).hexdigest())

    def read(name: str) -> bytes:
        start, size, _ = places[name]
        return spool.read(start, size)

    return _image_set(
        path.name, list(places), read, part, lambda used: _digest_lines(f"{n} {places[n][2]}" for n in used)
    )


def _check_member(name: str, size: int, *, is_plain: bool) -> None:
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or "\\" in name or "\0" in name or not is_plain:
        raise refuse("data_unsafe", f"the archive's member {name[:100]!r} is no plain file below the archive's root")
    if size > MAX_FILE_BYTES:
        raise refuse(
            "data_unsafe", f"{name[:100]!r} in the archive has {size:,} bytes; images have at most {MAX_FILE_BYTES:,}"
        )


def _check_total(files: int, size: int) -> None:
    if files > MAX_FILES or size > MAX_TOTAL_BYTES:
        raise refuse("data_unsafe", f"the archive declares {files:,} files of {size:,} bytes, more than is accepted")


def _image_set(
    name: str, names: Iterable[str], read: Read, part: Part | None, digest: Callable[[Iterable[str]], str]
) -> DataSet:
    images = sorted(n for n in names if PurePosixPath(n).suffix.lower() in SUFFIXES and not _is_hidden(n))
    images, told = _choose_part(images, part)
    if not images:
        raise refuse(
            "data_empty", f"{name} holds no images; expected one folder a class with {', '.join(sorted(SUFFIXES))}"
        )
    depth = min(len(PurePosixPath(n).parts) for n in images)
    if depth < 2:  # class and file
        loose = next(n for n in images if len(PurePosixPath(n).parts) == depth)
        raise refuse("data_format", f"{loose} in {name} is in no class folder; expected <class>/<image>")
    classes = sorted({PurePosixPath(n).parts[-2] for n in images})
    numbers = {label: number for number, label in enumerate(classes)}
    labels = np.array([numbers[PurePosixPath(n).parts[-2]] for n in images], np.int64)
    return DataSet(
        name=name + told,
        kind="images",
        classes=tuple(classes),
        labels=labels,
        decode=lambda index: decode_image(images[index], read(images[index])),
        digest=lambda: digest(images),
    )


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def _choose_part(names: list[str], part: Part | None) -> tuple[list[str], str]:
    """Where there are training and test folders, the one that is wanted; test data by default."""

    def below(folders: tuple[str, ...]) -> list[str]:
        return [n for n in names if any(p.lower() in folders for p in PurePosixPath(n).parts[:-2])]

    test, train = below(PARTS["test"]), below(PARTS["train"])
    wanted = train if part == "train" else test
    return (wanted, f" ({part or 'test'} part)") if wanted and (test or part == "train") else (names, "")


def decode_image(name: str, content: bytes) -> NDArray[Any]:
    """``(H, W, C)`` bytes: one channel for grey images, three for all others.

    Raises:
        DataError: naming the file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(BytesIO(content)) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise refuse(
                        "data_unsafe", f"{name} has {picture.width} x {picture.height} pixels, more than is accepted"
                    )
                grey = picture.mode in ("1", "L", "I;16", "I")
                pixels = np.asarray(picture.convert("L" if grey else "RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise refuse(
            "data_undecodable", f"{name} cannot be decoded as an image ({error}); remove or replace it"
        ) from None
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _digest_of(names: Iterable[str], read: Read) -> str:
    return _digest_lines(f"{name} {hashlib.sha256(read(name)).hexdigest()}" for name in names)


def _digest_lines(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()
