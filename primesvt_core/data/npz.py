"""NumPy's ``.npz`` files: images and labels under the names that people give them, perhaps by part."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from primesvt_core.data._base import DataSet, Part, refuse
from primesvt_core.data.archives import check_growth
from primesvt_core.data.arrays import MAX_ARRAY_BYTES, labelled_set, some
from primesvt_core.data.parts import WORDS, chosen, part_of, words_of

SUFFIX = ".npy"
Role = Literal["images", "labels"]

ROLES: Mapping[Role, tuple[str, ...]] = {
    "images": ("images", "image", "imgs", "img", "x", "data", "frames"),
    "labels": ("labels", "label", "y", "targets", "target"),
}
NEEDED = "it needs 'images' and 'labels', or pairs by part: 'train_images' and 'train_labels', 'x_test' and 'y_test'"


def from_npz(path: Path, part: Part | None) -> DataSet:
    """Images ``(N, H, W)``, ``(N, C, H, W)``, ``(N, H, W, C)`` or frames ``(N, T, C, H, W)``, and their labels.

    Args:
        path: of the file.
        part: training or test data, where the file has both; test data by default.

    Raises:
        DataError: if it has no such pair of arrays or several, or they do not fit each other.
    """
    names = array_names(path)
    found = _by_meaning(names)
    pairs = [one for one, role in found if role == "images" and (one, "labels") in found]
    read = chosen(pairs, part)
    if read is None:
        raise refuse("data_format", f"{path.name} has {some(names) or 'no arrays'}; {NEEDED}")
    images, labels = found[read, "images"], found[read, "labels"]
    if len(images) > 1 or len(labels) > 1 or (not read and len(pairs) > 1):
        raise refuse(
            "data_format",
            f"{path.name} has {some(names)}: which of them are the data set cannot be told; save one pair of arrays, or"
            " name every pair by its part",
        )
    arrays = [*images, *labels]
    unread = [name for name in names if name not in arrays]
    notes = [f"{path.name} holds {some(unread)}, too; {' and '.join(arrays)} were read."] if unread else []
    told = f" ({read} part)" if read else ""
    return labelled_set(path.name + told, read_array(path, images[0]), read_array(path, labels[0]), notes)


def array_names(path: Path) -> list[str]:
    """The names of the arrays of a file, in its order.

    Raises:
        DataError: if two have the same.
    """
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(SUFFIX) for name in archive.namelist() if name.endswith(SUFFIX)]
    if len(set(names)) < len(names):
        raise refuse("data_format", f"{path.name} holds several arrays of the same name; save it again")
    return names


def _by_meaning(names: Iterable[str]) -> dict[tuple[str, Role], list[str]]:
    """Names by part and role; without those that say neither."""
    found: dict[tuple[str, Role], list[str]] = {}
    for name in names:
        part = part_of(name)
        rest = [word for word in words_of(name) if word not in WORDS.get(part, ())]
        role = next((one for one, called in ROLES.items() if len(rest) == 1 and rest[0] in called), None)
        if role is not None:
            found.setdefault((part, role), []).append(name)
    return found


def read_array(path: Path, name: str) -> NDArray[Any]:
    """One array of the file; what it declares is checked before anything of that size is allocated.

    Raises:
        DataError: if it is damaged, too large, or holds objects.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name + SUFFIX) as member:
            version = npy.read_magic(member)
            read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = read_header(member)
            unpacked = archive.getinfo(name + SUFFIX).file_size
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if dtype.hasobject or size > MAX_ARRAY_BYTES:
            raise refuse("data_unsafe", f"{name} in {path.name} declares {dtype}{list(shape)}; that is not accepted")
        if size > unpacked:
            raise refuse("data_undecodable", f"{name} in {path.name} is cut short: {unpacked:,} of {size:,} bytes")
        check_growth(path.name, size, path.stat().st_size)
        with np.load(path, allow_pickle=False) as arrays:
            found: NDArray[Any] = arrays[name]
            return found
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, TokenError) as error:
        raise refuse("data_undecodable", f"{name} in {path.name} cannot be read ({error})") from None
