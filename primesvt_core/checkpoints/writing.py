"""Writing safetensors, a tensor at a time; a file is there whole or not at all."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from primesvt_core.checkpoints.safetensors_files import CODES, METADATA
from primesvt_core.errors import ExportError
from primesvt_core.types import Shapes, TensorSpec

ALIGNMENT = 8


def write_safetensors(
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    metadata: Mapping[str, str] | None = None,
    *,
    bfloat16: Collection[str] = (),
) -> None:
    """Write arrays.

    Args:
        path: of the file; replaced if it is there.
        arrays: by name, in either byte order, contiguous or not.
        metadata: texts to keep beside them.
        bfloat16: names of the ``uint16`` arrays that hold the bits of bfloat16, which numpy does not have.

    Raises:
        ExportError: if an array has a dtype that safetensors does not.
    """
    specs = {}
    for name, array in arrays.items():
        dtype = "bfloat16" if name in bfloat16 and array.dtype == np.uint16 else array.dtype.name
        specs[name] = TensorSpec(shape=array.shape, dtype=dtype, itemsize=array.dtype.itemsize)
    write_tensors(path, specs, lambda name: arrays[name], metadata or {})


def write_tensors(path: Path, specs: Shapes, load: Callable[[str], NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Write tensors that ``load`` brings one after the other, so that one is in memory at a time.

    Raises:
        ExportError: if one has a dtype that safetensors does not, or the name of its metadata.
    """
    # Large elements first, so that all are aligned; empty tensors last, where they share bytes with no other.
    order = sorted(specs, key=lambda name: (specs[name].bytes == 0, -specs[name].itemsize, name))
    header = _header({name: specs[name] for name in order}, metadata)
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("wb") as file:
            file.write(header)
            for name in order:
                _write_array(file, load(name))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _header(specs: Shapes, metadata: Mapping[str, str]) -> bytes:
    codes = {dtype: code for code, dtype in CODES.items()}
    entries: dict[str, Any] = {METADATA: dict(metadata)} if metadata else {}
    position = 0
    for name, spec in specs.items():
        if spec.dtype not in codes or name == METADATA:
            raise ExportError(f"the tensor {name} of dtype {spec.dtype} cannot be written as safetensors")
        offsets = [position, position + spec.bytes]
        entries[name] = {"dtype": codes[spec.dtype], "shape": list(spec.shape), "data_offsets": offsets}
        position += spec.bytes
    raw = json.dumps(entries, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % ALIGNMENT)
    return struct.pack("<Q", len(raw)) + raw


def _write_array(file: IO[bytes], array: NDArray[Any]) -> None:
    dense = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    file.write(dense.reshape(-1).view(np.uint8).data)
