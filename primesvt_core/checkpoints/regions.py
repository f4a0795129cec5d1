"""Tensors located in a file: reading them, checking them and writing them out, a chunk or a tensor at a time."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from primesvt_core.checkpoints.refusals import Refusal, refuse
from primesvt_core.checkpoints.tensors import ITEMSIZES

CHUNK = 1 << 20
FLOATS = ("float16", "bfloat16", "float32", "float64")
"""What weights are of."""

NUMPY_TYPES = {
    name: ("u2" if name == "bfloat16" else "u1" if name == "bool" else np.dtype(name).str[1:]) for name in ITEMSIZES
}
"""How the bytes of each dtype are held in numpy; bfloat16 as its bits."""


@dataclass(frozen=True)
class Region:
    """A run of bytes of a file, with its checksum where the format has one."""

    path: Path
    start: int
    size: int
    crc: int | None = None

    def chunks(self) -> Iterator[bytes]:
        """The bytes, a few MiB at a time.

        Raises:
            CheckpointRefused: if the file ends before the region does.
        """
        with self.path.open("rb") as file:
            file.seek(self.start)
            left = self.size
            while left:
                chunk = file.read(min(CHUNK, left))
                if len(chunk) < min(CHUNK, left):
                    raise refuse(Refusal.DAMAGED, "the file is cut short: a tensor's data is missing")
                left -= len(chunk)
                yield chunk

    def read(self, offset: int, size: int) -> bytes:
        """``size`` bytes from ``offset``."""
        with self.path.open("rb") as file:
            file.seek(self.start + offset)
            return file.read(size)


@dataclass(frozen=True)
class Located:
    """One tensor of a file: where its elements lie and how they are laid out."""

    region: Region | bytes
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    big_endian: bool

    @property
    def bytes(self) -> int:
        """Bytes when written out densely."""
        return math.prod(self.shape) * ITEMSIZES[self.dtype]

    @property
    def extent(self) -> int:
        """Bytes from the first element to the last, which are read to write it out; none of an empty tensor."""
        if not math.prod(self.shape):
            return 0
        last = sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        return (1 + last) * ITEMSIZES[self.dtype]

    def array(self) -> NDArray[Any]:
        """The tensor, dense, read-only and little-endian; bfloat16 as its bits."""
        stored = np.dtype((">" if self.big_endian else "<") + NUMPY_TYPES[self.dtype])
        start, size = self.offset * stored.itemsize, self.extent
        raw = self.region[start : start + size] if isinstance(self.region, bytes) else self.region.read(start, size)
        if len(raw) != size:
            raise refuse(Refusal.DAMAGED, "the file is cut short: a tensor's data is missing")
        strides = tuple(stride * stored.itemsize for stride in self.strides)
        view = np.lib.stride_tricks.as_strided(np.frombuffer(raw, stored), self.shape, strides, writeable=False)
        dense = view.astype(stored.newbyteorder("<"), order="C", copy=False)
        dense.flags.writeable = False
        return dense

    def pieces(self) -> Iterator[NDArray[Any]]:
        """The entries of a tensor of one dimension in their order, as `array` gives them, a few MiB at a time."""
        ((size,), (stride,)) = self.shape, self.strides
        step = max(1, CHUNK // (ITEMSIZES[self.dtype] * max(1, stride)))
        for start in range(0, size, step):
            piece = replace(self, shape=(min(step, size - start),), offset=self.offset + start * stride)
            yield piece.array()


def numbers(held: NDArray[Any], dtype: str) -> NDArray[Any]:
    """What an array stands for: of bfloat16, which numpy does not have, the numbers that its bits are."""
    return (held.astype("<u4") << 16).view("<f4") if dtype == "bfloat16" else held


def check_variance(tensor: Located, what: str) -> None:
    """Check that a BatchNorm's running variance is one, of which a root can be taken.

    Raises:
        CheckpointRefused: naming ``what``.
    """
    for piece in tensor.pieces() if len(tensor.shape) == 1 else ():
        if (numbers(piece, tensor.dtype) < 0).any():
            raise refuse(Refusal.NOT_FINITE, f"{what} is negative, where a variance is not: the model gives NaN")


def verify(region: Region | bytes, dtype: str, *, big_endian: bool, what: str) -> None:
    """Check a storage's checksum, and that it holds no NaN or infinity; costs a few MiB of memory.

    Raises:
        CheckpointRefused: naming ``what``.
    """
    crc = 0
    for chunk in [region] if isinstance(region, bytes) else region.chunks():
        crc = zlib.crc32(chunk, crc)
        if not _is_finite(chunk, dtype, big_endian=big_endian):
            raise refuse(Refusal.NOT_FINITE, f"{what} holds NaN or infinite values; the training must have diverged")
    if isinstance(region, Region) and region.crc is not None and crc != region.crc:
        raise refuse(Refusal.DAMAGED, f"{what} is damaged: its checksum does not fit; transfer or save the file again")


def _is_finite(chunk: bytes, dtype: str, *, big_endian: bool) -> bool:
    order = ">" if big_endian else "<"
    if dtype == "bfloat16":
        return bool(np.all((np.frombuffer(chunk, order + "u2") & 0x7F80) != 0x7F80))  # all exponent bits
    if dtype.startswith("float"):
        return bool(np.isfinite(np.frombuffer(chunk, order + NUMPY_TYPES[dtype])).all())
    return True
