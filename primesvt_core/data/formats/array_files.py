"""NumPy's ``.npz`` files as named arrays: bounded, and never unpickled."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Lock
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from primesvt_core.data._base import refuse
from primesvt_core.data.files.archives import check_growth

SUFFIX = ".npy"
MAX_ARRAY_BYTES = 16 << 30
DAMAGED = (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, TokenError)
"""What the readers raise for damaged files."""

PARSING = Lock()
"""NumPy parses what an array declares with `ast`, of which Python has one state for all threads: where another thread
comes in between, which happens when garbage is collected there, it is a SystemError."""


@dataclass(frozen=True)
class ArrayFile:
    """One file with arrays.

    Attributes:
        name: for people.
        content: where it is, or its bytes.
    """

    name: str
    content: Path | bytes

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)

    def names(self) -> list[str]:
        """The names of the arrays, in their order.

        Raises:
            DataError: if two have the same, or the file is damaged.
        """
        names = [name.removesuffix(SUFFIX) for name in self._members() if name.endswith(SUFFIX)]
        if len(set(names)) < len(names):
            raise refuse("data_format", f"{self.name} holds several arrays of the same name; save it again")
        return names

    def others(self) -> list[str]:
        """The names of what the file holds beside arrays."""
        return [name for name in self._members() if not name.endswith(SUFFIX)]

    def _members(self) -> list[str]:
        try:
            with zipfile.ZipFile(self._opened()) as archive:
                return archive.namelist()
        except DAMAGED as error:
            raise refuse("data_undecodable", f"{self.name} cannot be read ({error}); it may be cut short") from None

    def read(self, name: str) -> NDArray[Any]:
        """One array; what it declares is checked before anything of that size is allocated.

        Raises:
            DataError: if it is damaged, too large, or holds objects.
        """
        with PARSING:
            return self._read(name)

    def _read(self, name: str) -> NDArray[Any]:
        try:
            with zipfile.ZipFile(self._opened()) as archive, archive.open(name + SUFFIX) as member:
                version = npy.read_magic(member)
                read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, _, dtype = read_header(member)
                unpacked = archive.getinfo(name + SUFFIX).file_size
            size = int(np.prod(shape, dtype=object)) * dtype.itemsize
            if dtype.hasobject or size > MAX_ARRAY_BYTES:
                told = f"{name} in {self.name} declares {dtype}{list(shape)}; that is not accepted"
                raise refuse("data_unsafe", told)
            if size > unpacked:
                raise refuse("data_undecodable", f"{name} in {self.name} is cut short: {unpacked:,} of {size:,} bytes")
            check_growth(self.name, size, self.size)
            with np.load(self._opened(), allow_pickle=False) as arrays:
                found: NDArray[Any] = arrays[name]
                return found
        except DAMAGED as error:
            raise refuse("data_undecodable", f"{name} in {self.name} cannot be read ({error})") from None

    def _opened(self) -> Path | IO[bytes]:
        return self.content if isinstance(self.content, Path) else BytesIO(self.content)
