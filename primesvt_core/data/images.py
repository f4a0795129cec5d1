"""ImageFolder layout: one folder a class, from a folder or an archive that is never unpacked."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from primesvt_core.data._base import DataSet, Part, readable, refuse
from primesvt_core.data.archives import Member, members
from primesvt_core.data.carried import is_hidden
from primesvt_core.data.pixels import decode_image
from primesvt_core.data.sample_files import SampleFiles

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".tif", ".tiff"}
PARTS: Mapping[Part, tuple[str, ...]] = {"test": ("test", "val", "valid", "validation"), "train": ("train", "training")}
"""Names of folders with test and training data, in the order in which they are looked for."""

MAX_FILE_BYTES = 64 << 20

Read = Callable[[str], bytes]


def is_image(name: str) -> bool:
    """Whether a file is named like a picture that people see."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES and not is_hidden(name)


PICTURES = SampleFiles(
    kind="images",
    is_sample=is_image,
    select=lambda _, files: [file for file in files if is_image(file)],
    decode=decode_image,
    expected=f"one folder a class with {', '.join(sorted(SUFFIXES))}",
)


def from_folder(path: Path, part: Part | None, form: SampleFiles = PICTURES) -> DataSet:
    """A folder with one folder a class, perhaps below ``train`` and ``test``."""
    places = {
        readable((Path(folder) / file).relative_to(path).as_posix()): Path(folder) / file
        for folder, _, files in os.walk(path, followlinks=True)
        for file in files
    }

    def read(name: str) -> bytes:
        return places[name].read_bytes()

    return _image_set(path.name, places, read, part, lambda used: _digest_of(used, read), form)


def from_zip(path: Path, part: Part | None, form: SampleFiles = PICTURES) -> DataSet:
    """A zip archive in the same layout."""
    for member in members(path):
        _check_member(member)
    archive, lock = zipfile.ZipFile(path), Lock()
    entries = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}

    def read(name: str) -> bytes:
        with lock:
            return archive.read(entries[name])

    def digest(used: Iterable[str]) -> str:
        return _digest_lines(f"{name} {entries[name].file_size} {entries[name].CRC}" for name in used)

    return _image_set(path.name, list(entries), read, part, digest, form)


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


def from_tar(path: Path, part: Part | None, form: SampleFiles = PICTURES) -> DataSet:
    """A tar archive, compressed or not, in the same layout; read once, front to back, into one temporary file."""
    spool = _Spool()
    places: dict[str, tuple[int, int, str]] = {}
    for member in members(path):
        _check_member(member)
        if form.is_sample(member.name):
            content = member.open().read()
            places[member.name] = (spool.append(content), len(content), hashlib.sha256(content).hexdigest())

    def read(name: str) -> bytes:
        start, size, _ = places[name]
        return spool.read(start, size)

    return _image_set(
        path.name, list(places), read, part, lambda used: _digest_lines(f"{n} {places[n][2]}" for n in used), form
    )


def _check_member(member: Member) -> None:
    name, parts = member.name, PurePosixPath(member.name)
    if parts.is_absolute() or ".." in parts.parts or "\\" in name or "\0" in name or not member.is_plain:
        raise refuse("data_unsafe", f"the archive's member {name[:100]!r} is no plain file below the archive's root")
    if member.size > MAX_FILE_BYTES:
        raise refuse(
            "data_unsafe",
            f"{name[:100]!r} in the archive has {member.size:,} bytes; images have at most {MAX_FILE_BYTES:,}",
        )


def _image_set(
    name: str,
    names: Iterable[str],
    read: Read,
    part: Part | None,
    digest: Callable[[Iterable[str]], str],
    form: SampleFiles,
) -> DataSet:
    images, part_name = _choose_part(sorted(form.select(name, names)), part)
    if not images:
        raise refuse("data_empty", f"{name} holds no images; expected {form.expected}")
    labelled = _class_names(name, images)
    classes = sorted(set(labelled))
    numbers = {label: number for number, label in enumerate(classes)}
    return DataSet(
        name=name + part_name,
        kind=form.kind,
        classes=tuple(classes),
        labels=np.array([numbers[label] for label in labelled], np.int64),
        decode=lambda index: _decoded(images[index], read, form),
        digest=lambda: digest(images),
    )


def _class_names(name: str, images: list[str]) -> list[str]:
    """The class of every image: the first folder below those that all images share, as torchvision's ImageFolder has
    it; of a single class, the folder that the images lie in.

    Raises:
        DataError: if an image lies in no class folder.
    """
    folders = [PurePosixPath(image).parts[:-1] for image in images]
    first, last = min(folders), max(folders)
    shared = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    if first == last:
        shared -= 1
    loose = next((image for image, parts in zip(images, folders, strict=True) if len(parts) <= shared), None)
    if shared < 0 or loose is not None:
        raise refuse("data_format", f"{loose or images[0]} in {name} is in no class folder; expected <class>/<image>")
    return [parts[shared] for parts in folders]


def _choose_part(names: list[str], part: Part | None) -> tuple[list[str], str]:
    """Where there are training and test folders, the one that is wanted; test data by default."""

    def below(wanted: Part) -> list[str]:
        for folder in PARTS[wanted]:
            found = [n for n in names if any(p.lower() == folder for p in PurePosixPath(n).parts[:-2])]
            if found:
                return found
        return []

    chosen = below(part or "test")
    return (chosen, f" ({part or 'test'} part)") if chosen else (names, "")


def _decoded(name: str, read: Read, form: SampleFiles) -> NDArray[Any]:
    try:
        content = read(name)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise refuse("data_undecodable", f"{name} cannot be read ({error}); remove or replace it") from None
    return form.decode(name, content)


def _digest_of(names: Iterable[str], read: Read) -> str:
    return _digest_lines(f"{name} {hashlib.sha256(read(name)).hexdigest()}" for name in names)


def _digest_lines(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()
