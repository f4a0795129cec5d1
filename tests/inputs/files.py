"""Writing pictures as files, folders and archives of them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.inputs.case import CLASSES, Bytes, Images, digits

Files = dict[str, bytes]
"""Contents by name, with slashes."""


def encoded(pixels: NDArray[Any] | Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """A picture's file."""
    buffer = io.BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def decoded(content: bytes) -> Bytes:
    """A picture's pixels by Pillow: grey ``(H, W)`` or coloured ``(H, W, 3)``."""
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture)


NUMBERS = tuple(map(str, range(CLASSES)))
LETTERS = tuple("abcdefghij")
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
"""Names of the classes by number; the last are in another order than their names."""

Encode = Callable[[Bytes], bytes]


def named(
    place: str = "{c}/{n}.png",
    names: Sequence[str] = NUMBERS,
    encode: Encode = encoded,
    images: Images | None = None,
    start: int = 0,
) -> Files:
    """A file for every picture, at ``place``, which has the name of its class, ``c``, and its number, ``n``."""
    images = images or digits()
    pairs = zip(images.pixels, images.labels, strict=True)
    return {
        place.format(c=names[label], n=f"{number:04}", i=label): encode(pixels)
        for number, (pixels, label) in enumerate(pairs, start)
    }


def others(place: str, names: Sequence[str] = NUMBERS, start: int = 500) -> Files:
    """Files like those of the data set, of other pictures: dark squares, whose accuracy would be another."""
    images = digits()
    return named(place, names, images=Images(pixels=images.pixels[::-1] // 3, labels=images.labels), start=start)


def folder(root: Path, files: Mapping[str, bytes], empty: Sequence[str] = ()) -> Path:
    """A folder ``set`` with files and empty folders."""
    for name, content in files.items():
        path = root / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name in empty:
        (root / "set" / name).mkdir(parents=True, exist_ok=True)
    return root / "set"


def zipped(root: Path, files: Mapping[str, bytes], name: str = "set.zip", *, backslashes: bool = False) -> Path:
    """A zip archive."""
    root.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(root / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in files.items():
            entry = zipfile.ZipInfo("x")
            entry.filename = file.replace("/", "\\") if backslashes else file
            archive.writestr(entry, content)
    return root / name


def tarred(root: Path, files: Mapping[str, bytes], name: str = "set.tar", mode: str = "w") -> Path:
    """A tar archive, compressed by ``mode``."""
    root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(root / name, mode) as archive:  # type: ignore[call-overload]
        for file, content in files.items():
            entry = tarfile.TarInfo(file)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return root / name


def packed(make: Callable[[], Files], how: str) -> Callable[[Path], Path]:
    """Files in a container: ``folder``, ``zip``, ``tar``, ``tgz`` ..."""
    modes = {"tar": "w", "tgz": "w:gz", "tar.xz": "w:xz", "tar.bz2": "w:bz2"}
    if how == "folder":
        return lambda root: folder(root, make())
    if how == "zip":
        return lambda root: zipped(root, make())
    return lambda root: tarred(root, make(), f"set.{how}", modes[how])


def as_files(make: Callable[[], Files]) -> Callable[[Path], Path]:
    """Files in a folder."""
    return packed(make, "folder")


def lettered(place: str) -> Callable[[], Files]:
    """The pictures at ``place``, their classes called by letters."""
    return partial(named, place, LETTERS)
