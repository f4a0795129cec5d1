"""NumPy's ``.npy`` files: one array of images or frames, which has no labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from primesvt_core.data._base import DataSet, refuse
from primesvt_core.data.formats.array_files import DAMAGED, MAX_ARRAY_BYTES, PARSING
from primesvt_core.data.formats.arrays import unlabelled_set


def is_npy(path: Path) -> bool:
    """Whether a file is a ``.npy`` file, by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX


def from_npy(path: Path) -> DataSet:
    """Images ``(N, H, W)``, ``(N, C, H, W)``, ``(N, H, W, C)`` or frames ``(N, T, C, H, W)``, without labels.

    Raises:
        DataError: if the file is damaged, too large, or holds something else.
    """
    return unlabelled_set(path.name, _array(path))


def _array(path: Path) -> NDArray[Any]:
    """The array; what it declares is checked before anything of that size is allocated."""
    try:
        with PARSING, path.open("rb") as file:
            version = npy.read_magic(file)
            read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = read_header(file)
            size, there = int(np.prod(shape, dtype=object)) * dtype.itemsize, path.stat().st_size - file.tell()
            if dtype.hasobject or size > MAX_ARRAY_BYTES:
                raise refuse("data_unsafe", f"{path.name} declares {dtype}{list(shape)}; that is not accepted")
            if size != there:
                raise refuse("data_undecodable", f"{path.name} declares {size:,} bytes and holds {there:,}")
            file.seek(0)
            found: NDArray[Any] = np.load(file, allow_pickle=False)
            return found
    except DAMAGED as error:
        raise refuse("data_undecodable", f"{path.name} cannot be read ({error})") from None
